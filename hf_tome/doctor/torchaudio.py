"""torchaudio: optional, and the one fault that the doctor fixes itself.

The fix renames the CUDA extension, so that the rest of torchaudio can be imported.
"""

from __future__ import annotations

import os
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hf_tome.doctor.attempt import Attempt, attempt, attempt_import, folder_of
from hf_tome.doctor.finding import Finding
from hf_tome.doctor.packages import MATCHING_BUILD, TORCH_FACTS, judged, stray

NAME = "torchaudio"
INSTALL = 'pip install "hf_tome[torchaudio]", then `hf-tome doctor --fix`'
UNINSTALL = "pip uninstall torchaudio (it is not needed)"
SUFFIX = ".disabled-by-hf-tome"


def check_torchaudio() -> Finding:
    """Broken is an error: transformers then cannot import ViT, Trainer and pipeline either."""
    absent = Finding(NAME, "info", "not installed; optional, values are the same without it", INSTALL)
    return stray(NAME) or judged(NAME, absent, _judge)


def _judge(tried: Attempt) -> Finding:
    lib = (folder_of(NAME) or Path()) / "lib"
    extension, disabled = extension_in(lib), next(lib.glob(f"*{SUFFIX}"), None)
    if not tried.ok:
        torch = attempt(TORCH_FACTS)
        return judge_broken(tried, extension, cpu_torch=torch.ok and torch.value["build"] is None)
    if disabled is None or extension:
        return Finding(NAME, "ok", tried.value)
    undo = f"To undo, rename {disabled} to {disabled.name.removesuffix(SUFFIX)}."
    return Finding(NAME, "ok", f"{tried.value}, its CUDA extension disabled by hf-tome", undo)


def extension_in(lib: Path) -> Path | None:
    """torchaudio's compiled extension, whose presence alone makes `import torchaudio` load it.

    Not `_torchaudio_sox.so`, which is loaded only when it is used.
    """
    return next((path for path in sorted(lib.glob("_torchaudio.*")) if path.suffix in (".so", ".pyd")), None)


def judge_broken(tried: Attempt, extension: Path | None, cpu_torch: bool) -> Finding:
    """Finding for a failed import; it offers the fix only if the extension is a CUDA build beside a CPU torch."""
    broken = "transformers' ViT, Trainer and pipeline fail with it"
    # torchaudio up to 2.10 fails one library earlier, on libtorchaudio, which only the extension needs.
    blamed = re.search(r"\blib[/\\](_|lib)torchaudio", tried.text)
    if extension is None or not (blamed and cpu_torch and tried.misses_cuda):
        what = f"its import fails: {tried.reason}; {broken}"
        return Finding(NAME, "error", what, f"{UNINSTALL}, or {MATCHING_BUILD}")
    what = f"a CUDA build beside a CPU-only torch; its import fails ({tried.reason}); {broken}"
    fix = f"hf-tome doctor --fix (renames {extension.name}; features, resampling and masks work without)"
    return Finding(NAME, "error", what, f"{fix}, or {UNINSTALL}", fix=lambda: disable(extension))


def disable(extension: Path) -> Finding:
    """Rename the extension, check that the import now works, and tell pip the new name; else change nothing.

    torchaudio looks for the extension by its name and leaves out what needs it if it is not there. An OSError becomes a
    finding.
    """
    aside = extension.with_name(extension.name + SUFFIX)
    try:
        os.replace(extension, aside)
        tried = attempt_import(NAME)
        if tried.ok:
            _tell_pip(extension, aside)
            what = f"mended: renamed {extension} to {aside.name}; torchaudio {tried.value} can be imported again"
            return Finding(NAME, "ok", what, f"To undo, rename {aside} to {extension.name}.")
        os.replace(aside, extension)
        what = f"without {extension.name} its import still fails ({tried.reason}); the file was put back"
        return Finding(NAME, "error", what, UNINSTALL)
    except OSError as error:
        if not extension.exists():
            os.replace(aside, extension)
        reason = f"{error.strerror or error}: {error.filename or extension}"
        cure = "Run `hf-tome doctor --fix` as the owner of that folder, or in a virtual environment of your own."
        return Finding(NAME, "error", f"could not be mended, and nothing was changed: {reason}", cure)


def _tell_pip(extension: Path, aside: Path) -> None:
    """List the new name in the wheel's RECORD. Else `pip uninstall` would leave a folder that breaks transformers.

    The old name stays listed: after an undo it is right, and a listed file that is missing does no harm.
    """
    try:
        files = distribution(NAME).files or []
    except PackageNotFoundError:
        return
    record = next((Path(str(file.locate())).absolute() for file in files if file.name == "RECORD"), None)
    if record is None or not record.parents[1].samefile(extension.parents[2]):  # not by pip, or of another copy
        return
    text, line = record.read_text(encoding="utf-8"), f"{NAME}/lib/{aside.name},,"
    if line not in text.splitlines():
        # Replaced as a whole, not written to: the file may be shared with a cache by a hard link.
        new = record.with_name("RECORD.new")
        new.write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
        os.replace(new, record)
