"""Media to run a model on, one at a time, with labels or texts: of a folder, the hub, or a `datasets.Dataset`."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.classifier import Classifier
from hf_tome.data.encoder import Encoder
from hf_tome.data.folder import as_text
from hf_tome.data.labels import Classes, Label, Numbers, label_array, parts_of
from hf_tome.data.media import Media, media_in
from hf_tome.data.splits import Choice, splits_of
from hf_tome.errors import ToMeError, ToMeValueError, complaint

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

    def label_text(self, number: int) -> str:
        """What the data say of a sample; empty where they say nothing."""
        said = self.said[number] if self.said else ""
        return said if isinstance(said, str) else "+".join(map(str, said))


def read_all(samples: Samples, numbers: Sequence[int], skip_bad: bool) -> tuple[list[Any], list[int]]:
    """The media of some samples, and the numbers of those that can be read.

    Args:
        samples: of which some are read.
        numbers: of these.
        skip_bad: leave out what cannot be read, with a warning.

    Raises:
        ToMeError: if one cannot be read and is not to be skipped.
    """
    media, found = [], []
    for number in numbers:
        try:
            media.append(samples.read(number))
            found.append(number)
        except ToMeError as error:
            if not skip_bad:
                raise
            warnings.warn(f"Left out: {error}", stacklevel=2)
    return media, found


def samples_of(
    data: str | Path | Dataset, classifier: Classifier, *, label2id: Mapping[str, int] | None = None, **choice: Any
) -> Samples:
    """The samples of any kind of data set, for one classifier.

    Args:
        data: a folder of images, sounds or clips, in which subfolders named as the model's classes give labels
            (CLASS+CLASS where there are several), or a metadata file; a folder of Parquet files, or one that
            `save_to_disk` wrote; the name of a data set on the hub; or a data set of `datasets`, divided into splits or
            not, streamed or not.
        classifier: decides what is read, and how.
        label2id: the number of each class by its name; by default as in the model's config.
        choice: what is taken, see `Choice`. The split is by default the first there is of test, validation, valid, val.

    Raises:
        ToMeValueError: if there are no such samples, or their labels are not classes of the model.
    """
    media, about = _found(data, classifier, Choice(**choice))
    classes = Classes(classifier.classes if label2id is None else label2id.items())
    numbers = classes.numbers(media.labels, media.names, optional=True)
    config: Any = classifier.model.config
    labels = label_array(numbers, config.num_labels) if numbers else None
    return _samples(classifier, media, about, labels, numbers)


def samples_with_texts(data: str | Path | Dataset, encoder: Encoder, **choice: Any) -> Samples:
    """The samples of a data set that says a text of each, or several: captions of images, transcripts of sounds.

    Args:
        data: as of `samples_of`; a folder has a metadata file (`file_name`, and a column of texts).
        encoder: decides what is read, and how.
        choice: as of `samples_of`.

    Raises:
        ToMeValueError: if there are no such samples, or one has no text.
    """
    media, about = _found(data, encoder, Choice(**choice), texts=True)
    for number, row in enumerate(media.labels):
        if not row or not all(isinstance(text, str) and text.strip() for text in row):
            rule, cure = "Each sample has a text, or several.", "Remove such rows, or name another --label-column."
            raise ToMeValueError(complaint(rule, f"{list(row)} in row {number}", cure))
    return _samples(encoder, media, about, None, [])


def samples_with_classes(data: str | Path | Dataset, encoder: Encoder, **choice: Any) -> Samples:
    """The samples of a data set with the classes that it has itself, numbered in the order of their names.

    Without labels where some sample has not exactly one class, or all have the same. The arguments and errors are those
    of `samples_alone`.
    """
    media, about = _found(data, encoder, Choice(**choice))
    rows = [parts_of(label) if isinstance(label, str) else tuple(label) for label in media.labels]
    number = {row: place for place, row in enumerate(sorted(set(rows), key=str))}
    if len(number) < 2 or any(len(row) != 1 or row[0] == "" for row in number):
        return _samples(encoder, media, about, None, [])
    numbers = [(number[row],) for row in rows]
    return _samples(encoder, media, about, np.array(numbers)[:, 0], numbers)


def samples_alone(data: str | Path | Dataset, encoder: Encoder, **choice: Any) -> Samples:
    """The samples of a data set, whatever it says of them. The arguments are those of `samples_of`.

    Raises:
        ToMeValueError: if there are none.
    """
    media, about = _found(data, encoder, Choice(**choice))
    return _samples(encoder, media, about, None, [])


About = dict[str, Any]  # name, source and split of samples


def _found(data: Any, encoder: Encoder, choice: Choice, texts: bool = False) -> tuple[Media, About]:
    """The media of a data set, and what it is called."""
    parts = splits_of(data, choice, texts)
    split = choice.split or next((each for each in EVALUATION if each in parts), next(iter(parts)))
    part = parts.get(split, next(iter(parts.values())))
    media = media_in(part, encoder.modality, choice, texts)
    folder = isinstance(part, Path)
    name = as_text(part if folder else data if isinstance(data, str | Path) else "a data set in memory")
    own = None if folder or part.split is None else str(part.split)
    return media, {"name": name, "source": f"{encoder.modality}folder" if folder else name, "split": split or own}


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
