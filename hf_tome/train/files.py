"""Labelled sounds or videos, of a folder or of the hub, as a Trainer takes them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hf_tome.data.folder import files_below
from hf_tome.errors import ToMeError, ToMeValueError, complaint
from hf_tome.train.columns import EVALUATION, Cell, has_columns, load_columns
from hf_tome.train.drawn import Drawn

if TYPE_CHECKING:
    import datasets

RULE = "A data set is a folder FOLDER/train/CLASS/FILE; a folder CLASS+CLASS holds files of several classes."
Row = tuple[Path | Cell, tuple[int, ...]]  # a file, and the numbers of its classes
Read = Callable[[Any, np.random.Generator | None, int], dict[str, Tensor]]


class LabelledFiles(Drawn):
    """Files, read and processed when they are asked for.

    Args:
        rows: the files with their classes.
        read: the model's inputs for one file, without a batch axis; from its path or content, a random generator (None:
            nothing is left to chance) and the number of the view.
        classes: how many there are.
        several: whether a file may have several classes: labels are then (classes,) float, else a class number.
        seed: as in `Drawn`.
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
        super().__init__(seed)
        self.rows, self.read, self.classes, self.several = rows, read, classes, several
        self.views, self.mixup = views, mixup

    def __len__(self) -> int:
        return len(self.rows) * self.views

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The model's inputs and `labels`.

        Raises:
            ToMeValueError: if the file cannot be read; names it.
        """
        row, view = divmod(index, self.views)
        chance = self.chance(index)
        item = self._item(row, chance, view)
        if chance is not None and chance.random() < self.mixup:
            share, other = float(chance.beta(10, 10)), self._item(int(chance.integers(len(self.rows))), chance, view)
            item = {name: share * value + (1 - share) * other[name] for name, value in item.items()}
        return item

    def _item(self, row: int, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
        file, numbers = self.rows[row]
        labels = torch.tensor(numbers[0])
        if self.several:
            labels = torch.zeros(self.classes).index_fill_(0, torch.tensor(numbers), 1.0)
        return {**self.read(_opened(file), chance, view), "labels": labels}


def _opened(file: Path | Cell) -> Any:
    return file.open() if isinstance(file, Cell) else file


def load_files(
    name: str, modality: str, seed: int = 0, label_column: str | None = None
) -> tuple[list[Row], list[Row], list[str]]:
    """Files to train on, files to evaluate on, and the names of the classes.

    Where nothing is set apart for evaluation (validation, val, test), a tenth of each class is.

    Args:
        name: a folder FOLDER/train/CLASS/FILE, or FOLDER/CLASS/FILE: the files of a folder CLASS+CLASS have several
            classes. Or a data set of the hub, or a folder of its Parquet files.
        modality: "audio" or "video".
        seed: draws the tenth.
        label_column: where a data set of the hub holds the classes, as in `load_columns`.

    Raises:
        ToMeValueError: if there are no such files, or those to evaluate on have a class of their own.
    """
    columns = has_columns(name)
    train, held, labels = _in_columns(name, modality, label_column) if columns else _in_folders(Path(name), modality)
    if not held:
        train, held = _set_apart(train, seed)
    return train, held, labels


def _in_folders(root: Path, modality: str) -> tuple[list[Row], list[Row], list[str]]:
    train = root / "train" if (root / "train").is_dir() else root
    folder = next((root / split for split in EVALUATION if train != root and (root / split).is_dir()), None)
    found = {path: _classes_of(path, train) for path in sorted(files_below(train, modality))}
    labels = sorted({label for names in found.values() for label in names})
    if len(labels) < 2:
        raise ToMeValueError(complaint(RULE, f"{root} with the classes {labels}", "Give at least two classes."))
    held = {path: _classes_of(path, folder) for path in sorted(files_below(folder, modality))} if folder else {}
    if new := sorted({label for names in held.values() for label in names} - set(labels)):
        rule = "Files to evaluate on have the classes of those to train on."
        raise ToMeValueError(
            complaint(rule, f"{folder} with {', '.join(new)}", f"The classes are {', '.join(labels)}.")
        )
    rows: list[list[Row]] = [
        [(path, tuple(map(labels.index, names))) for path, names in part.items()] for part in (found, held)
    ]
    return rows[0], rows[1], labels


def _in_columns(name: str, modality: str, label_column: str | None) -> tuple[list[Row], list[Row], list[str]]:
    train, evaluation, labels = load_columns(name, modality, label_column)
    return _cells(train, modality), [] if evaluation is None else _cells(evaluation, modality), labels


def _cells(rows: datasets.Dataset, column: str) -> list[Row]:
    classes = [tuple(each) if isinstance(each, list) else (each,) for each in rows["label"][:]]
    return [(Cell(rows, column, number), numbers) for number, numbers in enumerate(classes)]


def _set_apart(rows: list[Row], seed: int) -> tuple[list[Row], list[Row]]:
    """The rows without a tenth of each class (that with the lowest number counts), and that tenth: at least one row
    where there are two."""
    chance, alike = random.Random(seed), {}
    for row in rows:
        alike.setdefault(row[1][:1], []).append(row)
    drawn = [chance.sample(group, max(1, len(group) // 10)) for group in alike.values() if len(group) > 1]
    held = {id(row) for part in drawn for row in part}
    return [row for row in rows if id(row) not in held], [row for row in rows if id(row) in held]


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
            read(_opened(row[0]), None, 0)
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
