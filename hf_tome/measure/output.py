"""Where results are written: what cannot be written is refused before any work is done."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from hf_tome.errors import ToMeValueError, complaint


def check_out(out: Path, suffixes: Collection[str]) -> None:
    """Raise ToMeValueError if the folder does not exist, or the name does not end in one of `suffixes`."""
    if out.suffix.lower() not in suffixes or not out.absolute().parent.is_dir():
        rule = f"The output is a file ({', '.join(sorted(suffixes))}) in a folder that exists."
        raise ToMeValueError(complaint(rule, str(out), "Choose another name."))


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Inside this block, which writes `out`, an OSError becomes a ToMeValueError."""
    try:
        yield
    except OSError as error:
        rule = "The output must be writable."
        raise ToMeValueError(complaint(rule, f"{out} ({error})", "Choose another place.")) from error


def open_folder(folder: Path, page: str = "report.md") -> Path:
    """Make the folder for several files, and the page among them. Raises ToMeValueError where that is impossible."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / page).touch()
    return folder
