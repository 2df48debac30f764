"""Folders of media files: which files are read, and the class that the folder of each names."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path

from hf_tome.data import clip, image, sound
from hf_tome.errors import ToMeValueError, complaint

SUFFIXES = {"image": image.SUFFIXES, "audio": sound.SUFFIXES, "video": clip.SUFFIXES}
NAMES = {"image": "images", "audio": "sounds", "video": "clips"}


def files_below(folder: Path, modality: str) -> list[Path]:
    """All files of a modality below a folder, in an order that mixes the classes and is the same every time.

    Args:
        folder: with the files, or with subfolders that hold them.
        modality: "image", "audio" or "video". It decides by the suffix; hidden files are left out.

    Raises:
        ToMeValueError: if there is none.
    """
    suffixes = SUFFIXES[modality]
    there = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    files = [path for path in there if path.suffix.lower() in suffixes]
    if not files:
        rule = f"The data is a folder with {NAMES[modality]} ({', '.join(sorted(suffixes))})."
        got = f"{folder} ({_kinds(there)})" if folder.is_dir() else f"{folder}, which is no folder"
        raise ToMeValueError(complaint(rule, got, "Subfolders named as the model's classes give labels."))
    random.Random(0).shuffle(files)
    return files


def _kinds(files: list[Path]) -> str:
    """What a folder holds instead."""
    counts = {NAMES[kind]: sum(path.suffix.lower() in SUFFIXES[kind] for path in files) for kind in SUFFIXES}
    found = [f"{count} {name}" for name, count in counts.items() if count]
    return ", ".join(found) or f"{len(files)} files of other kinds"


def classes_of(files: list[Path], folder: Path, classes: Mapping[str, int]) -> list[tuple[int, ...]] | None:
    """Class numbers by the name of each file's folder: CLASS, or CLASS+CLASS where a file has several.

    Args:
        files: below `folder`.
        folder: a file that lies in it directly has no class.
        classes: the numbers by name, as `model.config.label2id`.

    Returns:
        One row a file; None if no folder is named as a class.

    Raises:
        ToMeValueError: if some folders are named as classes, and others are not.
    """
    known = {plain_name(str(name)): (int(number),) for name, number in classes.items()}
    names = ["" if path.parent == folder else path.parent.name for path in files]
    rows = {name: _numbers(name, known) for name in names}
    if not any(rows.values()):
        return None
    if odd := sorted(name or f"{folder} itself" for name, row in rows.items() if not row):
        rule = f"All files lie in folders that are named as classes: {', '.join(map(str, classes))}."
        raise ToMeValueError(complaint(rule, f"files in {', '.join(odd)}", "Rename or remove these."))
    return [rows[name] for name in names]


def _numbers(name: str, known: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Of the classes that a folder names; none if it names anything else."""
    parts = [known.get(plain_name(part), ()) for part in name.split("+")]
    several = {number for part in parts for number in part} if all(parts) else ()
    return known.get(plain_name(name)) or tuple(sorted(several))


def plain_name(name: str) -> str:
    """A class name as a folder can carry it: `T-shirt/top` and `t-shirt_top` are the same."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
