"""Data sets of the hub: the column of images, sounds or videos, and the column of classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_tome.data.samples import FEATURES, InMemory
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

EVALUATION = ("validation", "valid", "val", "test")  # the best weights are chosen by it: a test set comes last
RULE = "A data set is a folder FOLDER/train/CLASS/FILE, or has a split train with columns of {feature} and classes."


@dataclass(frozen=True)
class Cell:
    """A file inside a data set: opened when it is asked for.

    Attributes:
        rows: the data set.
        column: of the files, not decoded.
        number: of the row.
    """

    rows: Dataset
    column: str
    number: int

    def open(self) -> Path | InMemory:
        """As the readers of `hf_tome.data` take it."""
        file = self.rows[self.number][self.column]
        name = file["path"] or f"row {self.number}"
        return InMemory(file["bytes"], name) if file["bytes"] is not None else Path(name)

    def __str__(self) -> str:
        return str(self.open())


def has_columns(name: str) -> bool:
    """Whether `name` is a data set of the hub, or a folder of its Parquet files, and no folder of other files."""
    return not Path(name).is_dir() or any(Path(name).rglob("*.parquet"))


def load_columns(
    name: str, modality: str, label_column: str | None = None, **source: Any
) -> tuple[Dataset, Dataset | None, list[str]]:
    """Rows to train on, rows to evaluate on (None where the data set has no such split), and the names of the classes.

    The rows have two columns: `modality`, files that are not decoded yet, and `label`, a class number or a list of
    them.

    Args:
        name: what `datasets.load_dataset` takes.
        modality: "image", "audio" or "video".
        label_column: of the classes, as ClassLabel, a list of them, or text. By default the first of ClassLabels.
        source: further arguments of `datasets.load_dataset`.

    Raises:
        ToMeValueError: if there is no such data set, or it has no such columns.
    """
    import datasets
    from datasets.exceptions import DatasetsError

    rule = RULE.format(feature=FEATURES[modality])
    try:
        splits: Any = datasets.load_dataset(name, **source)
    except (OSError, ValueError, DatasetsError) as error:
        shown = source.get("data_dir", name)
        raise ToMeValueError(complaint(rule, str(shown), f"datasets says: {error}")) from error
    if "train" not in splits:
        raise ToMeValueError(complaint(rule, f"{name} with the splits {list(splits)}", "Name one of them train."))
    columns = splits["train"].features
    kind = getattr(datasets, FEATURES[modality])
    media = next((key for key, feature in columns.items() if isinstance(feature, kind)), None)
    label = label_column or next((key for key, feature in columns.items() if _names(feature)), None)
    if media is None or label == media or label not in columns:
        cure = "Name the column of the classes with label_column, or see the datasets library."
        raise ToMeValueError(complaint(rule, f"{name} with the columns {list(columns)}", cure))
    splits = splits.select_columns([media, label]).cast_column(media, kind(decode=False))
    wanted = {media: modality, label: "label"}
    splits = _numbered(splits.rename_columns({old: new for old, new in wanted.items() if old != new}), name)
    evaluation = next((splits[key] for key in EVALUATION if key in splits), None)
    return splits["train"], evaluation, _names(splits["train"].features["label"])


def _names(feature: Any) -> list[str]:
    """Of the classes; empty where the column holds none."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None) or []


def _numbered(splits: DatasetDict, name: str) -> DatasetDict:
    """Classes that are texts become numbers, in the order of the alphabet.

    Raises:
        ToMeValueError: if the column holds no classes, or one that is not trained on.
    """
    import datasets

    if _names(splits["train"].features["label"]):
        return splits
    names = sorted({str(text) for text in splits["train"]["label"][:]})
    try:
        return splits.cast_column("label", datasets.ClassLabel(names=names))
    except (ValueError, TypeError, NotImplementedError) as error:
        rule = "Classes are ClassLabels, lists of them, or texts; those to evaluate on are trained on too."
        raise ToMeValueError(complaint(rule, f"{name} ({error})", "Choose another label_column.")) from error
