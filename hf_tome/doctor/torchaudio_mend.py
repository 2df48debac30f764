"""The mend of torchaudio: set its CUDA extension aside, so that the rest of it can be imported."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hf_tome.doctor.attempt import attempt_import
from hf_tome.doctor.finding import Finding

SUFFIX = ".disabled-by-hf-tome"
_NAME = "torchaudio"


def disable(extension: Path) -> Finding:
    """Rename the extension, see that the import now works, and tell pip of the new name. All or nothing.

    torchaudio looks for the extension by its name and leaves out what needs it if it is not there.
    Nothing is raised: what the file system refuses becomes a finding.
    """
    aside = extension.with_name(extension.name + SUFFIX)
    try:
        os.replace(extension, aside)
    except OSError as error:
        return _refused(extension, error)
    tried = attempt_import(_NAME)
    if not tried.ok:
        os.replace(aside, extension)
        what = f"without {extension.name} its import still fails ({tried.reason}); the file was put back"
        return Finding(_NAME, "error", what, "pip uninstall torchaudio (it is not needed)")
    try:
        _tell_pip(extension, aside)
    except OSError as error:
        os.replace(aside, extension)
        return _refused(extension, error)
    what = f"mended: renamed {extension} to {aside.name}; torchaudio {tried.value} can be imported again"
    return Finding(_NAME, "ok", what, f"To undo, rename {aside} to {extension.name}.")


def _tell_pip(extension: Path, aside: Path) -> None:
    """List the new name in the wheel's RECORD, so that `pip uninstall` removes it too.

    Otherwise an uninstall would leave the folder, which transformers takes for an installed torchaudio.
    The old name stays listed: after an undo it is right, and a listed file that is missing does no harm.
    """
    try:
        files = distribution(_NAME).files or []
    except PackageNotFoundError:
        return
    record = next((Path(str(file.locate())).absolute() for file in files if file.name == "RECORD"), None)
    if record is None or not record.parents[1].samefile(extension.parents[2]):  # not by pip, or of another copy
        return
    text = record.read_text(encoding="utf-8")
    line = f"{_NAME}/lib/{aside.name},,"
    if line in text.splitlines():
        return
    # Replaced as a whole, not written to: the file may be shared with a cache by a hard link.
    new = record.with_name("RECORD.new")
    new.write_text(f"{text.rstrip()}\n{line}\n", encoding="utf-8")
    os.replace(new, record)


def _refused(extension: Path, error: OSError) -> Finding:
    what = f"could not be mended, and nothing was changed: {error.strerror or error}: {error.filename or extension}"
    cure = "Run `hf-tome doctor --fix` as the owner of that folder, or in a virtual environment of your own."
    return Finding(_NAME, "error", what, cure)
