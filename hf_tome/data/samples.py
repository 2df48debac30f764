"""Labelled media to evaluate on, one at a time: of a folder, of the hub, or of a `datasets.Dataset`."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.classifier import Classifier
from hf_tome.data.extra import extra
from hf_tome.data.folder import NAMES, classes_of, files_below
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

if TYPE_CHECKING:
    from datasets import Dataset

EVALUATION = ("test", "validation", "valid", "val")
FEATURES = {"image": "Image", "audio": "Audio", "video": "Video"}


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


class InMemory(io.BytesIO):
    """The bytes of a file that a data set holds; shown by its name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name

    def __str__(self) -> str:
        return self.name


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
            (CLASS+CLASS where there are several); the name of a data set on the hub; or a `datasets.Dataset`.
        classifier: decides what is read, and how.
        split: of the hub's data set, or a subfolder. By default the first there is of test, validation, valid, val.
        limit: so many samples only, drawn at random, the same ones every time.
        media_column: the column of images, sounds or videos; by default found by its feature.
        label_column: the column of classes; by default found by its feature.
        label2id: the number of each class by its name; by default as in the model's config.

    Raises:
        ToMeValueError: if there are no such samples, or their labels are not classes of the model.
    """
    classes = label2id or classifier.label2id
    if not isinstance(data, str | Path):
        return _rows(data, "a data set in memory", classifier, classes, limit, media_column, label_column)
    if Path(data).is_dir():
        return _files(Path(data), classifier, classes, split, limit)
    return _rows(_loaded(str(data), split), str(data), classifier, classes, limit, media_column, label_column)


def _files(
    folder: Path, classifier: Classifier, classes: Mapping[str, int], split: str | None, limit: int | None
) -> Samples:
    if split is None and (folder / "train").is_dir():
        split = next((each for each in EVALUATION if (folder / each).is_dir()), None)
    folder = folder / split if split else folder
    files = files_below(folder, classifier.modality)[:limit]
    numbers = classes_of(files, folder, classes)
    stats = [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    labels = None if numbers is None else _labels(numbers, classifier)
    return Samples(
        name=str(folder),
        source=f"{classifier.modality}folder",
        split=split,
        fingerprint=_hash([stats, numbers]),
        read=lambda number: classifier.read(files[number]),
        labels=labels,
        count=len(files),
    )


def _loaded(name: str, split: str | None) -> Dataset:
    with extra("eval", "load a data set of the hub"):
        import datasets
        from datasets.exceptions import DatasetsError
    rule = "The data is a folder, the name of a data set on the hub, or a datasets.Dataset."
    try:
        if split is None:
            there = datasets.get_dataset_split_names(name)
            split = next((each for each in EVALUATION if each in there), there[0])
        return datasets.load_dataset(name, split=split)  # pyright: ignore
    except (OSError, ValueError, DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ToMeValueError(complaint(rule, f"{name} ({reason})", "Check the name and the split.")) from error


def _rows(
    rows: Any,
    name: str,
    classifier: Classifier,
    classes: Mapping[str, int],
    limit: int | None,
    media: str | None,
    label: str | None,
) -> Samples:
    with extra("eval", "evaluate on a data set"):
        import datasets
    if not isinstance(rows, datasets.Dataset):
        rule = "The data is a folder, the name of a data set on the hub, or a datasets.Dataset."
        raise ToMeTypeError(complaint(rule, shown(rows), "Of a DatasetDict, pass one split."))
    if limit is not None and limit < len(rows):
        rows = rows.shuffle(seed=0).select(range(limit))  # the first ones may all be of one class
    kinds = rows.features
    wanted = FEATURES[classifier.modality]
    media = media or next((key for key, kind in kinds.items() if type(kind).__name__ == wanted), None)
    label = label or next((key for key, kind in kinds.items() if "ClassLabel" in str(kind)), None)
    label = label or next((key for key in ("label", "labels") if key in kinds), None)
    if media not in kinds or (label is not None and label not in kinds) or not len(rows):
        rule = f"The data set has rows with a column of {NAMES[classifier.modality]}, and one of labels."
        got = f"{len(rows)} rows with the columns {', '.join(kinds)}"
        raise ToMeValueError(complaint(rule, got, "Name the columns with media_column and label_column."))
    assert media is not None  # for the type checker
    if type(kinds[media]).__name__ in FEATURES.values():
        rows = rows.cast_column(media, type(kinds[media])(decode=False))  # our own readers decode
    labels = None
    if label is not None:
        labels = _labels(_numbered(rows[label][:], kinds[label], classes), classifier)
    return Samples(
        name=name,
        source=name,
        split=None if rows.split is None else str(rows.split),
        fingerprint=_hash([rows._fingerprint, media, label, None if labels is None else labels.tolist()]),
        read=lambda number: _medium(rows[number][media], number, classifier),
        labels=labels,
        count=len(rows),
    )


def _medium(value: Any, number: int, classifier: Classifier) -> Any:
    """What a cell of a data set holds, as the processor takes it.

    Raises:
        ToMeValueError: if it is empty, or cannot be read.
    """
    if value is None:
        raise ToMeValueError(complaint("Every row holds a medium.", f"none in row {number}", "Remove this row."))
    if isinstance(value, dict) and "array" in value:
        return classifier.resampled(np.asarray(value["array"], np.float32), value["sampling_rate"])
    if isinstance(value, dict):
        known = value.get("bytes") is not None
        file = InMemory(value["bytes"], value.get("path") or f"row {number}") if known else Path(value["path"])
        return classifier.read(file)
    return classifier.read(Path(value)) if isinstance(value, str) else value


def _numbered(values: Sequence[Any], kind: Any, label2id: Mapping[str, int]) -> list[tuple[int, ...]]:
    """The model's class numbers of each row. Names count where the data set and the model both have them."""
    names = getattr(kind, "names", None) or getattr(getattr(kind, "feature", None), "names", None)
    rows = [value if isinstance(value, list | tuple) else [value] for value in values]
    same = names is None or not set(names) <= set(label2id)
    try:
        return [
            tuple(
                label2id[each] if isinstance(each, str) else each if same or names is None else label2id[names[each]]
                for each in row
            )
            for row in rows
        ]
    except KeyError as error:
        rule = f"Labels are classes of the model: {', '.join(label2id)}."
        raise ToMeValueError(complaint(rule, str(error), "Rename them.")) from error


def _labels(numbers: list[tuple[int, ...]], classifier: Classifier) -> np.ndarray:
    """(samples,), or (samples, classes) where some sample has not exactly one."""
    config: Any = classifier.model.config
    classes = config.num_labels
    wrong = [number for row in numbers for number in row if not (isinstance(number, int) and 0 <= number < classes)]
    if wrong:
        rule = f"A label is a class number of the model, 0 to {classes - 1}."
        raise ToMeValueError(complaint(rule, wrong[0], "Use a model for the classes of this data set."))
    if all(len(row) == 1 for row in numbers):
        return np.array([row[0] for row in numbers])
    several = np.zeros((len(numbers), classes), np.int64)
    for sample, row in enumerate(numbers):
        several[sample, list(row)] = 1
    return several


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
