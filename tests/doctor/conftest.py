"""Environments for the doctor: a healthy one, and one with a torchaudio that fails as PyPI's does."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from environment import EXTENSION, TORCH, TORCHAUDIO, TRANSFORMERS, Environment, files_of

import hf_tome


@pytest.fixture
def healthy(tmp_path: Path) -> Environment:
    for source in files_of({"typer", "rich"}):  # what the command line itself imports
        (tmp_path / source.name).symlink_to(source)
    (tmp_path / "hf_tome").symlink_to(Path(hf_tome.__file__).parent)
    environment = Environment(tmp_path)
    environment.package("torch", TORCH.format(cuda=None))
    environment.package("transformers", TRANSFORMERS)
    environment.package("numpy", "__version__ = '2.4.6'")
    environment.package("PIL", "__version__ = '13.0.0'")
    return environment


@pytest.fixture
def broken(healthy: Environment) -> Environment:
    folder = healthy.package("torchaudio", TORCHAUDIO)
    (folder / "lib").mkdir()
    healthy.extension.write_bytes(b"\x7fELF a CUDA build")
    healthy.record.parent.mkdir()
    (healthy.record.parent / "METADATA").write_text("Metadata-Version: 2.1\nName: torchaudio\nVersion: 2.11.0\n")
    listed = ("torchaudio/__init__.py", f"torchaudio/lib/{EXTENSION}", "torchaudio-2.11.0.dist-info/RECORD")
    healthy.record.write_text("".join(f"{name},,\n" for name in listed))
    return healthy


@pytest.fixture
def without_privileges() -> tuple[str, ...]:
    """Prefix of a command that file modes bind, even when the tests run as root."""
    if os.name != "posix":
        pytest.skip("file modes of POSIX")
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root needs setpriv to give up its privileges")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
