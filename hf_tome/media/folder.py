"""Folders of media files: which files are read, and the class that the folder of each names."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from pathlib import Path

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.media import clip, image, sound

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


def labels_of(files: list[Path], folder: Path, classes: Mapping[int, str]) -> list[int] | None:
    """Class indices by the name of each file's folder, or None where the names are not the model's classes.

    Args:
        files: below `folder`.
        folder: a file that lies in it directly has no label.
        classes: the names by index, as `model.config.id2label`.
    """
    numbers = classes_of(files, folder, classes)
    return None if numbers is None or any(len(row) > 1 for row in numbers) else [row[0] for row in numbers]


def classes_of(files: list[Path], folder: Path, classes: Mapping[int, str]) -> list[tuple[int, ...]] | None:
    """The same where a file may have several classes: those in a folder CLASS+CLASS."""
    known = {plain_name(str(name)): (int(index),) for index, name in classes.items()}
    found = []
    for path in files:
        whole = known.get(plain_name(path.parent.name))
        parts = [known.get(plain_name(name)) for name in path.parent.name.split("+")]
        if path.parent == folder or (whole is None and None in parts):
            return None
        found.append(whole or tuple(sorted({number for part in parts for number in part or ()})))
    return found


def plain_name(name: str) -> str:
    """A class name as a folder can carry it: `T-shirt/top` and `t-shirt_top` are the same."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())
