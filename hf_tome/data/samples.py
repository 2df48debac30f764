"""Labelled media to evaluate on, one at a time: of a folder, of the hub, or of a `datasets.Dataset`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.classifier import Classifier
from hf_tome.data.labels import Classes, label_array
from hf_tome.data.media import media_in, splits_of

if TYPE_CHECKING:
    from datasets import Dataset

EVALUATION = ("test", "validation", "valid", "val")


@dataclass(frozen=True)
class Samples:
    """What a classifier is evaluated on. Nothing is read before it is asked for.

    Attributes:
        name: of the data set, for people.
        source: what it is, as the hub names it: "imagefolder", or the name of a data set.
        split: of the data; None where there is no other.
        fingerprint: another one where the samples or their labels differ.
        read: the medium of a sample, by its number, as the classifier's processor takes it.
        labels: (samples,) class numbers, (samples, classes) of 0 and 1 where a sample may have several, or None.
        count: how many samples there are.
    """

    name: str
    source: str
    split: str | None
    fingerprint: str
    read: Callable[[int], Any]
    labels: np.ndarray | None
    count: int

    @property
    def several(self) -> bool:
        """Whether a sample may have several labels."""
        return self.labels is not None and self.labels.ndim == 2


def samples_of(
    data: str | Path | Dataset,
    classifier: Classifier,
    *,
    split: str | None = None,
    limit: int | None = None,
    media_column: str | None = None,
    label_column: str | None = None,
    label2id: Mapping[str, int] | None = None,
) -> Samples:
    """The samples of any kind of data set, for one classifier.

    Args:
        data: a folder of images, sounds or clips, in which subfolders named as the model's classes give labels
            (CLASS+CLASS where there are several); a folder of Parquet files; the name of a data set on the hub; or a
            `datasets.Dataset`.
        classifier: decides what is read, and how.
        split: of the hub's data set, or a subfolder. By default the first there is of test, validation, valid, val.
        limit: so many samples only, drawn at random, the same ones every time.
        media_column: the column of images, sounds or videos; by default found by its feature.
        label_column: the column of classes; by default found by its feature.
        label2id: the number of each class by its name; by default as in the model's config.

    Raises:
        ToMeValueError: if there are no such samples, or their labels are not classes of the model.
    """
    parts = splits_of(data, split, columns=bool(media_column or label_column))
    split = split or next((each for each in EVALUATION if each in parts), next(iter(parts)))
    media = media_in(parts[split], classifier.modality, media_column, label_column, limit)
    classes = Classes(classifier.classes if label2id is None else label2id.items())
    numbers = classes.numbers(media.labels, media.names, optional=True)
    config: Any = classifier.model.config
    folder = isinstance(parts[split], Path)
    name = str(parts[split] if folder else data if isinstance(data, str | Path) else "a data set in memory")
    return Samples(
        name=name,
        source=f"{classifier.modality}folder" if folder else name,
        split=split or (None if folder or parts[split].split is None else str(parts[split].split)),
        fingerprint=hashlib.sha256(json.dumps([media.fingerprint, numbers]).encode()).hexdigest(),
        read=lambda number: classifier.read(media.files[number]),
        labels=label_array(numbers, config.num_labels) if numbers else None,
        count=len(media.files),
    )
