"""Media to run a model on, one at a time, with labels or texts: of a folder, the hub, or a `datasets.Dataset`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.classifier import Classifier
from hf_tome.data.encoder import Encoder
from hf_tome.data.labels import Classes, Label, Numbers, label_array
from hf_tome.data.media import Media, media_in, splits_of
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from datasets import Dataset

EVALUATION = ("test", "validation", "valid", "val")


@dataclass(frozen=True)
class Samples:
    """What a model is run on. No file is read before it is asked for.

    Attributes:
        name: of the data set, for people.
        source: what it is, as the hub names it: "imagefolder", or the name of a data set.
        split: of the data; None where there is no other.
        fingerprint: another one where the samples or their labels differ.
        read: the medium of a sample, by its number, as the model's processor takes it.
        labels: (samples,) class numbers, (samples, classes) of 0 and 1 where a sample may have several, or None.
        count: how many samples there are.
        said: what the data say of each sample: the names of its classes, or its texts. Empty where they say nothing.
        path: what a sample is called, by its number: the path of its file where there is one.
    """

    name: str
    source: str
    split: str | None
    fingerprint: str
    read: Callable[[int], Any]
    labels: np.ndarray | None
    count: int
    said: Sequence[Label] = ()
    path: Callable[[int], str] = str

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
    media, about = _found(data, classifier, split, limit, media_column, label_column)
    classes = Classes(classifier.classes if label2id is None else label2id.items())
    numbers = classes.numbers(media.labels, media.names, optional=True)
    config: Any = classifier.model.config
    labels = label_array(numbers, config.num_labels) if numbers else None
    return _samples(classifier, media, about, labels, numbers)


def samples_with_texts(
    data: str | Path | Dataset,
    encoder: Encoder,
    *,
    split: str | None = None,
    limit: int | None = None,
    media_column: str | None = None,
    label_column: str | None = None,
) -> Samples:
    """The samples of a data set that says a text of each, or several: captions of images, transcripts of sounds.

    Args:
        data: a folder with a metadata.csv (`file_name`, and a column of texts), a folder of Parquet files, the name of
            a data set on the hub, or a `datasets.Dataset`.
        encoder: decides what is read, and how.
        split, limit, media_column: as of `samples_of`.
        label_column: the column of texts, or lists of them; by default the first of `TEXTS`.

    Raises:
        ToMeValueError: if there are no such samples, or one has no text.
    """
    media, about = _found(data, encoder, split, limit, media_column, label_column, texts=True)
    for number, row in enumerate(media.labels):
        if not row or not all(isinstance(text, str) and text.strip() for text in row):
            rule, cure = "Each sample has a text, or several.", "Remove such rows, or name another --label-column."
            raise ToMeValueError(complaint(rule, f"{list(row)} in row {number}", cure))
    return _samples(encoder, media, about, None, [])


def samples_alone(
    data: str | Path | Dataset,
    encoder: Encoder,
    *,
    split: str | None = None,
    limit: int | None = None,
    media_column: str | None = None,
    label_column: str | None = None,
) -> Samples:
    """The samples of a data set, whatever it says of them. The arguments are those of `samples_of`.

    Raises:
        ToMeValueError: if there are none.
    """
    media, about = _found(data, encoder, split, limit, media_column, label_column)
    return _samples(encoder, media, about, None, [])


About = dict[str, Any]  # name, source and split of samples


def _found(
    data: Any,
    encoder: Encoder,
    split: str | None,
    limit: int | None,
    media_column: str | None,
    label_column: str | None,
    texts: bool = False,
) -> tuple[Media, About]:
    """The media of a data set, and what it is called."""
    parts = splits_of(data, split, columns=texts or bool(media_column or label_column))
    split = split or next((each for each in EVALUATION if each in parts), next(iter(parts)))
    media = media_in(parts[split], encoder.modality, media_column, label_column, limit, texts)
    folder = isinstance(parts[split], Path)
    name = str(parts[split] if folder else data if isinstance(data, str | Path) else "a data set in memory")
    source = f"{encoder.modality}folder" if folder else name
    own = None if folder or parts[split].split is None else str(parts[split].split)
    return media, {"name": name, "source": source, "split": split or own}


def _samples(
    encoder: Encoder, media: Media, about: About, labels: np.ndarray | None, numbers: Sequence[Numbers]
) -> Samples:
    known = [media.fingerprint, numbers or media.labels]
    return Samples(
        **about,
        fingerprint=hashlib.sha256(json.dumps(known).encode()).hexdigest(),
        read=lambda number: encoder.read(media.files[number]),
        labels=labels,
        count=len(media.files),
        said=media.labels,
        path=media.path,
    )
