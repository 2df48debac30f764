"""Labelled sound or video files, as a Trainer takes them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hf_tome.errors import ToMeError, ToMeValueError, complaint
from hf_tome.media.folder import files_below

EVALUATION = ("validation", "valid", "val", "test")
RULE = "A data set is a folder FOLDER/train/CLASS/FILE; a folder CLASS+CLASS holds files of several classes."
Row = tuple[Path, tuple[int, ...]]  # a file, and the numbers of its classes
Read = Callable[[Path, np.random.Generator | None, int], dict[str, Tensor]]


class LabelledFiles(Dataset):
    """Files, read and processed when they are asked for.

    Args:
        rows: the files with their classes.
        read: the model's inputs for one file, without a batch axis; from its path, a random generator (None: nothing
            is left to chance) and the number of the view.
        classes: how many there are.
        several: whether a file may have several classes: labels are then (classes,) float, else a class number.
        seed: what is drawn depends on it, on the epoch and on the row alone, so that a resumed training sees the same.
            None: nothing is drawn.
        views: how many inputs each file gives, one after the other (several clips or crops, for evaluation).
        mixup: share of the files that are blended with another one at random; needs `several`.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        read: Read,
        classes: int,
        *,
        several: bool = False,
        seed: int | None = None,
        views: int = 1,
        mixup: float = 0.0,
    ) -> None:
        if mixup and (not several or seed is None):
            rule = "Mixup blends labels, which takes one number a class, and draws at random."
            got = f"several={several}, seed={seed}"
            raise ToMeValueError(complaint(rule, got, "Use several=True and a seed, or no mixup."))
        self.rows, self.read, self.classes, self.several = rows, read, classes, several
        self.seed, self.views, self.mixup, self.epoch = seed, views, mixup, 0

    def __len__(self) -> int:
        return len(self.rows) * self.views

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer's loader."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The model's inputs and `labels`.

        Raises:
            ToMeValueError: if the file cannot be read; names it.
        """
        row, view = divmod(index, self.views)
        chance = None if self.seed is None else np.random.default_rng((self.seed, self.epoch, index))
        item = self._item(row, chance, view)
        if chance is not None and chance.random() < self.mixup:
            share, other = float(chance.beta(10, 10)), self._item(int(chance.integers(len(self.rows))), chance, view)
            item = {name: share * value + (1 - share) * other[name] for name, value in item.items()}
        return item

    def _item(self, row: int, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
        path, numbers = self.rows[row]
        labels = torch.tensor(numbers[0])
        if self.several:
            labels = torch.zeros(self.classes).index_fill_(0, torch.tensor(numbers), 1.0)
        return {**self.read(path, chance, view), "labels": labels}


def load_files(name: str, modality: str, seed: int = 0) -> tuple[list[Row], list[Row], list[str]]:
    """Files to train on, files to evaluate on, and the names of the classes.

    Without a folder for evaluation (validation, val, test), a tenth of the files of each class is set apart.

    Args:
        name: a folder FOLDER/train/CLASS/FILE, or FOLDER/CLASS/FILE. The files of a folder CLASS+CLASS have several
            classes.
        modality: "audio" or "video".
        seed: draws the tenth.

    Raises:
        ToMeValueError: if there are no such files, or those to evaluate on have a class of their own.
    """
    root = Path(name)
    train = root / "train" if (root / "train").is_dir() else root
    folder = next((root / split for split in EVALUATION if train != root and (root / split).is_dir()), None)
    found = {path: _classes_of(path, train) for path in sorted(files_below(train, modality))}
    labels = sorted({label for names in found.values() for label in names})
    if len(labels) < 2:
        raise ToMeValueError(complaint(RULE, f"{name} with the classes {labels}", "Give at least two classes."))
    held = {path: _classes_of(path, folder) for path in sorted(files_below(folder, modality))} if folder else {}
    if new := sorted({label for names in held.values() for label in names} - set(labels)):
        rule = "Files to evaluate on have the classes of those to train on."
        raise ToMeValueError(
            complaint(rule, f"{folder} with {', '.join(new)}", f"The classes are {', '.join(labels)}.")
        )
    if not held:
        held = _tenth(found, seed)
        found = {path: names for path, names in found.items() if path not in held}
    rows = [[(path, tuple(map(labels.index, names))) for path, names in part.items()] for part in (found, held)]
    return rows[0], rows[1], labels


def _tenth(files: dict[Path, tuple[str, ...]], seed: int) -> dict[Path, tuple[str, ...]]:
    """A tenth of the files of each folder, at least one where there are two."""
    chance, folders = random.Random(seed), {}
    for path in files:
        folders.setdefault(path.parent, []).append(path)
    drawn = [chance.sample(paths, max(1, len(paths) // 10)) for paths in folders.values() if len(paths) > 1]
    return {path: files[path] for paths in drawn for path in paths}


def _classes_of(path: Path, root: Path) -> tuple[str, ...]:
    if path.parent == root:
        raise ToMeValueError(
            complaint(RULE, f"{path}, which lies in no class", "Move it into the folder of its class.")
        )
    return tuple(sorted(set(path.parent.name.split("+"))))


def readable(rows: Sequence[Row], read: Read) -> list[Row]:
    """The rows whose files can be read; the others are named in a warning.

    Raises:
        ToMeValueError: if none is left.
    """
    from tqdm.auto import tqdm

    good, bad = [], []
    for row in tqdm(rows, desc="Checking files"):
        try:
            read(row[0], None, 0)
            good.append(row)
        except ToMeError:
            bad.append(str(row[0]))
    if not good:
        raise ToMeValueError(complaint("Some file must be readable.", f"{len(bad)} that are not", "Check the folder."))
    if bad:
        warnings.warn(
            f"{len(bad)} of {len(rows)} files cannot be read and are left out: {', '.join(bad)}", stacklevel=2
        )
    return good
