"""Labelled images, sounds or videos, of a folder or a data set, as a Trainer takes them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from hf_tome.data.labels import Classes
from hf_tome.data.media import Media, media_in
from hf_tome.data.rows import Prepared
from hf_tome.data.splits import Choice, splits_of
from hf_tome.errors import ToMeError, ToMeValueError, complaint

RULE = "A data set is a folder FOLDER/train/CLASS/FILE, or has a split train with columns of media and classes."
EVALUATION = ("validation", "valid", "val", "test")  # the best weights are chosen by it: a test set comes last
Read = Callable[[Any, np.random.Generator | None, int], dict[str, Tensor]]


def load_files(
    data: Any,
    modality: str,
    seed: int = 0,
    label_column: str | None = None,
    *,
    validation_fraction: float = 0.1,
    like: Sequence[str] = (),
    **choice: Any,
) -> tuple[Media, Media, list[str]]:
    """Files to train on and files to evaluate on, with class numbers as labels, and the names of the classes.

    Where nothing with labels is set apart for evaluation (validation, val, test), a tenth of each class is.

    Args:
        data: a data set as `hf_tome.data.samples.samples_of` takes it. The files of a folder CLASS+CLASS have several
            classes.
        modality: "image", "audio" or "video".
        seed: draws what is set apart.
        label_column: of a data set: where the classes are.
        validation_fraction: how much is set apart, in (0, 1).
        like: names of a model's classes. Where the data have the same ones, they are numbered as the model does.
        choice: what else is taken, see `Choice`. The split to train on is by default `train`; the limit holds for both
            parts.

    Raises:
        ToMeValueError: if there are no such files, or those to evaluate on have a class of their own.
    """
    if data == "":
        raise ToMeValueError(complaint(RULE, "none", "Name the folder, or a data set of the hub."))
    if not 0 < validation_fraction < 1:
        rule = "The part that is set apart for evaluation is a share in (0, 1)."
        raise ToMeValueError(complaint(rule, validation_fraction, "0.1 is usual."))
    chosen = Choice(label_column=label_column, **choice)
    splits = splits_of(data, replace(chosen, split=None))
    first = chosen.split or ("train" if "train" in splits else None)
    if first not in splits:
        splits |= splits_of(data, chosen)
    if first not in splits:
        raise ToMeValueError(complaint(RULE, f"the splits {', '.join(map(str, splits))}", "Name one of them train."))
    train = media_in(splits[first], modality, chosen)
    classes = _in_order_of(like, _classes_in(train))
    if not train.labels or len(classes) < 2:
        got = f"the classes {', '.join(classes)}" if classes else "none"
        raise ToMeValueError(complaint(RULE, got, "There are at least two classes; label_column names their column."))
    known = Classes((name, number) for number, name in enumerate(classes))
    held_out = [each for each in EVALUATION if first and each != first and each in splits]
    others = (media_in(splits[each], modality, chosen) for each in held_out)
    evaluation, train = next((part for part in others if any(part.labels)), None), _numbered(train, known)
    if evaluation is not None:
        return train, _numbered(evaluation, known), classes
    train, evaluation = _set_apart(train, seed, validation_fraction)
    if not len(evaluation):
        rule = "Some class has two files or more, so that one can be set apart for evaluation."
        raise ToMeValueError(complaint(rule, f"{len(train)} files of {len(classes)} classes", "Add files."))
    return train, evaluation, classes


def _numbered(media: Media, classes: Classes) -> Media:
    """The media with class numbers as labels; numbers among the data's labels are names of classes."""
    names = [each if isinstance(each, str) else tuple(map(str, each)) for each in media.labels]
    return replace(media, labels=classes.numbers(names))


def _classes_in(media: Media) -> list[str]:
    """The names of the classes; without an order, in that of the alphabet, or of their numbers."""
    return [*media.names] or [str(each) for each in sorted({each for label in media.labels for each in label})]


def _in_order_of(like: Sequence[str], classes: list[str]) -> list[str]:
    """The classes of a model in its order, if these are the same ones; else those of the data."""
    model = Classes((name, number) for number, name in enumerate(like))
    try:
        found = {model.find(name) for name in classes}
    except ToMeValueError:  # a name fits two
        return classes
    return list(like) if found == {*range(len(like))} and len(classes) == len(like) else classes


def _set_apart(media: Media, seed: int, share: float) -> tuple[Media, Media]:
    """The media without a random share of each class, and that share: at least one where there are two files.

    A file with several classes counts for the first.
    """
    chance, by_class = random.Random(seed), {}
    for number, label in enumerate(media.labels):
        by_class.setdefault(label[:1], []).append(number)
    groups = [group for group in by_class.values() if len(group) > 1]
    held_out = {number for group in groups for number in chance.sample(group, max(1, int(len(group) * share)))}
    return media.select([each for each in range(len(media)) if each not in held_out]), media.select(sorted(held_out))


def has_several(*parts: Media) -> bool:
    """Whether a file has not exactly one class."""
    return any(len(label) != 1 for part in parts for label in part.labels)


def inputs_of(read: Read, file: Any, chance: np.random.Generator | None = None, view: int = 0) -> dict[str, Tensor]:
    """What `read` makes of a file. What the transform of a data set has made stays as it is."""
    return dict(file) if isinstance(file, Prepared) else read(file, chance, view)


def readable(media: Media, read: Read) -> Media:
    """The files that can be read; the others are named in a warning. Raises ToMeValueError if none is left."""
    from tqdm.auto import tqdm

    good, bad = [], []
    for number in tqdm(range(len(media)), desc="Checking files"):
        try:
            inputs_of(read, media.files[number])
            good.append(number)
        except ToMeError as error:
            bad.append(str(error))
    if not good:
        raise ToMeValueError(complaint("Some file must be readable.", f"{len(bad)} that are not", "Check the folder."))
    if bad:
        warnings.warn("\n".join([f"{len(bad)} of {len(media)} files are left out.", *bad]), stacklevel=2)
    return media.select(good)


class LabelledFiles(Dataset):
    """Files, read and processed when they are asked for.

    What is random depends on the seed, the epoch and the row alone, so that a resumed training sees the same.

    Args:
        media: the files, with the numbers of each one's classes as labels.
        read: the model's inputs for one file, without a batch axis; from the file, random numbers (None: nothing is
            left to chance) and the number of the view. `hf_tome.train.augment` has one for each medium.
        classes: how many there are.
        several: whether a file may have several classes: labels are then (classes,) float, else a class number.
        seed: of what is random. None: nothing is.
        views: how many inputs each file gives, one after the other (several clips or crops, for evaluation).
        mixup: share of the files that are blended with another one at random (arXiv 1710.09412). Labels are (classes,)
            float then too: shares of classes.

    Raises:
        ToMeValueError: if mixup is no share, or asked for without a seed.
    """

    def __init__(
        self,
        media: Media,
        read: Read,
        classes: int,
        *,
        several: bool = False,
        seed: int | None = None,
        views: int = 1,
        mixup: float = 0.0,
    ) -> None:
        if not 0 <= mixup <= 1 or (mixup and seed is None):
            rule = "Mixup blends a share of the files, 0 to 1, drawn at random."
            raise ToMeValueError(complaint(rule, f"{mixup}, seed={seed}", "Use 0.5 with a seed, or no mixup."))
        self.media, self.read, self.classes, self.several = media, read, classes, several
        self.seed, self.views, self.mixup = seed, views, mixup
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers may outlive an epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer's loader."""
        self.epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.media) * self.views

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The model's inputs and `labels`.

        Raises:
            ToMeValueError: if the file cannot be read, and names it; or if it has several classes unexpectedly.
        """
        row, view = divmod(index, self.views)
        chance = None if self.seed is None else np.random.default_rng((self.seed, int(self.epoch), index))
        item = self._item(row, chance, view)
        if chance is not None and chance.random() < self.mixup:
            share, other = float(chance.beta(10, 10)), self._item(int(chance.integers(len(self.media))), chance, view)
            item = {name: _blended(value, other[name], share) for name, value in item.items()}
        return item

    def _item(self, row: int, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
        file, numbers = self.media.files[row], self.media.labels[row]
        if self.several or (self.mixup and len(numbers) == 1):
            labels = torch.zeros(self.classes).index_fill_(0, torch.tensor(numbers, dtype=torch.int64), 1.0)
        elif len(numbers) == 1:
            labels = torch.tensor(numbers[0])
        else:
            rule = "Without several=True, each file has one class."
            raise ToMeValueError(complaint(rule, f"{file} with {len(numbers)}", "Pass several=True."))
        return {**inputs_of(self.read, file, chance, view), "labels": labels}


def _blended(value: Tensor, other: Tensor, share: float) -> Tensor:
    """A mix of two inputs; of two masks, what either has."""
    return share * value + (1 - share) * other if value.is_floating_point() else torch.maximum(value, other)
