"""A folder of small packages in place of site-packages, and the doctor run there in a real process."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

from hf_tome.doctor.torchaudio import SUFFIX

COMMAND = "from hf_tome.cli import main; main()"
EXTENSION = "_torchaudio.abi3.so"
CAUSE = "libc10_cuda.so: cannot open shared object file: No such file or directory"

TORCH = """
from types import SimpleNamespace as N
__version__ = "2.13.0"
version = N(cuda={cuda!r})
backends = N(mps=N(is_available=lambda: False))
cuda = N(is_available=lambda: False)
"""
# As torchaudio 2.11 does it: load the extension if the file is there, and let its failure through.
TORCHAUDIO = f"""
from pathlib import Path
__version__ = "2.11.0"
for path in (Path(__file__).parent / "lib").glob("_torchaudio*.so"):
    try:
        raise OSError({CAUSE!r})
    except OSError as error:
        raise OSError(f"Could not load this library: {{path}}") from error
"""
# As transformers does it: whatever a folder named torchaudio holds is taken for torchaudio.
TRANSFORMERS = """
import importlib.util
__version__ = "5.23.0"
if importlib.util.find_spec("torchaudio"):
    import torchaudio
    torchaudio.__version__
ASTFeatureExtractor = Trainer = ViTModel = pipeline = object
is_torch_available = lambda: True
"""


@dataclasses.dataclass(frozen=True)
class Environment:
    """A folder that stands for site-packages, and the doctor run in it."""

    site: Path

    def package(self, name: str, source: str) -> Path:
        folder = self.site / name
        folder.mkdir()
        (folder / "__init__.py").write_text(source)
        return folder

    def python(self, code: str, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [*prefix, sys.executable, "-S", "-B", "-c", code, *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.site)}
        return subprocess.run(command, env=environment, cwd=self.site, capture_output=True, text=True, timeout=120)

    def doctor(self, *options: str, prefix: tuple[str, ...] = ()) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
        """Exit code, findings by name, mends."""
        done = self.python(COMMAND, "doctor", "--json", *options, prefix=prefix)
        assert "Traceback" not in done.stderr, done.stderr
        report = json.loads(done.stdout)
        return done.returncode, {finding["name"]: finding for finding in report["findings"]}, report["mends"]

    @property
    def extension(self) -> Path:
        return self.site / "torchaudio" / "lib" / EXTENSION

    @property
    def aside(self) -> Path:
        return self.extension.with_name(EXTENSION + SUFFIX)

    @property
    def record(self) -> Path:
        return self.site / "torchaudio-2.11.0.dist-info" / "RECORD"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def files_of(packages: set[str]) -> set[Path]:
    """Top-level files and folders of installed packages and of what they require."""
    found: set[Path] = set()
    seen: set[str] = set()
    while packages := packages - seen:
        seen |= packages
        installed = [d for d in map(find_distribution, packages) if d]
        found |= {Path(str(d.locate_file(file.parts[0]))) for d in installed for file in d.files or []}
        required = [line for d in installed for line in d.requires or [] if "extra ==" not in line]
        packages = {name.group() for line in required if (name := re.match(r"[\w.-]+", line))}
    return {path for path in found if path.name not in ("..", "__pycache__") and path.suffix != ".dist-info"}


def find_distribution(package: str) -> Distribution | None:
    return next(iter(Distribution.discover(name=package)), None)
