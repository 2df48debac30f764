"""What is wrong with a file that cannot be read."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from hf_tome.errors import ToMeValueError, complaint

POINTER = b"version https://git-lfs"


def is_pointer(path: Path) -> bool:
    """Whether a file stands for another one, which git-lfs has not fetched."""
    try:
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False


def unreadable(kind: str, source: Any, error: object) -> ToMeValueError:
    """The error for a file of media.

    Args:
        kind: "image", "sound" or "video".
        source: the path of the file, or its content. Of anything else, its type is told.
        error: what a library says of it.
    """
    cure = "Remove or repair this file."
    if isinstance(source, Path) and is_pointer(source):
        error, cure = "a pointer of git-lfs", "Run `git lfs pull` in its folder."
    named = source if isinstance(source, str | Path | BytesIO) else f"a decoded {type(source).__name__}"
    return ToMeValueError(complaint(f"Every {kind} file must be readable.", f"{named} ({error})", cure))
