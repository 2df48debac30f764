"""Folders of media files: which files are read, in which order, and the class that the folder of each names."""

from __future__ import annotations

import os
import random
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from hf_tome.data import clip, image, sound
from hf_tome.errors import ToMeValueError, complaint

SUFFIXES = {"image": image.SUFFIXES, "audio": sound.SUFFIXES, "video": clip.SUFFIXES}
NAMES = {"image": "images", "audio": "sounds", "video": "clips"}
NOTES = {"", ".txt", ".md", ".csv", ".json", ".jsonl", ".parquet", ".xml", ".db", ".ini"}  # files beside media


def files_below(folder: Path, modality: str) -> list[Path]:
    """All files of a modality below a folder, in an order that mixes the classes and is the same every time.

    Args:
        folder: with the files, or with subfolders that hold them, linked ones too.
        modality: "image", "audio" or "video". It decides by the suffix; what is left out is told in a warning. Hidden
            files and folders are left out, and `__MACOSX`.

    Raises:
        ToMeValueError: if there is none, or a folder cannot be read.
    """
    suffixes = SUFFIXES[modality]
    try:
        there = sorted(_walk(folder)) if folder.is_dir() else []
    except OSError as error:
        raise ToMeValueError(complaint("All subfolders can be read.", str(error), "Change or remove it.")) from error
    files = [path for path in there if path.suffix.lower() in suffixes]
    if not files:
        rule = f"The data is a folder with {NAMES[modality]} ({', '.join(sorted(suffixes))})."
        got = f"{folder} ({_kinds(there)})" if folder.is_dir() else f"{folder}, which is no folder"
        raise ToMeValueError(complaint(rule, got, "Subfolders named as the classes give labels."))
    _tell_left_out(folder, files, there, modality)
    random.Random(0).shuffle(files)
    return files


def _tell_left_out(folder: Path, files: list[Path], there: list[Path], modality: str) -> None:
    """Warn of media that are not read, and of subfolders without any that are: a class would be missing."""
    known = SUFFIXES[modality] | NOTES
    others = Counter(suffix for path in there if (suffix := path.suffix.lower()) not in known)
    full = {path.parts[len(folder.parts)] for path in files}
    folders = sorted(each.name for each in folder.iterdir() if each.is_dir() and not _hidden(each))
    empty = [name for name in folders if name not in full]
    told = [f"{count} {suffix}" for suffix, count in others.items()] + [
        f"no {NAMES[modality]} in {name}" for name in empty
    ]
    if told:
        warnings.warn(f"Not all of {folder} can be read: {', '.join(told[:9])}.", stacklevel=3)


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__MACOSX"


def _walk(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """The files below a folder; a link to a folder that it lies in is not followed."""
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if _hidden(path):
            continue
        if path.is_dir():
            yield from _walk(path, (*above, real))
        elif path.is_file() or path.is_symlink():  # whoever reads it says what is wrong with a link to nothing
            yield path


def _kinds(files: list[Path]) -> str:
    """What a folder holds instead."""
    counts = {NAMES[kind]: sum(path.suffix.lower() in SUFFIXES[kind] for path in files) for kind in SUFFIXES}
    found = [f"{count} {name}" for name, count in counts.items() if count]
    return ", ".join(found) or f"{len(files)} files of other kinds"


def folder_names(files: Sequence[Path], folder: Path) -> list[str]:
    """The name of the folder that each file lies in; "" for those in `folder` itself."""
    return ["" if path.parent == folder else as_text(path.parent.name) for path in files]


def as_text(path: str | Path) -> str:
    """A path that can be written down, also where its name is not encoded as the system's are."""
    return os.fsencode(path).decode(errors="replace")
