"""What a data set holds: its splits, the media of each, and what it calls their classes.

A data set is a folder, a data set of the hub (or a folder of its Parquet files), or one of `datasets` in memory.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Subset

from hf_tome.data.extra import extra
from hf_tome.data.folder import NAMES, files_below, folder_names
from hf_tome.data.labels import Label
from hf_tome.data.metadata import described, metadata_in
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

FEATURES = {"image": "Image", "audio": "Audio", "video": "Video"}
SPLITS = ("train", "validation", "valid", "val", "test")
TABLES = ("*.parquet", "*/*.parquet")
LABELS = ("label", "labels")  # columns that hold classes
TEXTS = ("text", "texts", "caption", "captions", "transcription", "transcript", "sentence")  # and those that hold texts
RULE = "The data is a folder, the name of a data set on the hub, or a datasets.Dataset."


@dataclass(frozen=True)
class Media:
    """Images, sounds or clips with what the data call their classes. Nothing is read before it is asked for.

    Attributes:
        files: paths, contents of files or decoded media, as the readers of `hf_tome.data` take them.
        labels: of each, the name of its folder, or class names, or class numbers. Empty without labels.
        names: of the data's classes, in the order that the data give them; empty without an order.
        fingerprint: another one where the files differ.
        root: the folder that they lie in.
    """

    files: Sequence[Any]
    labels: Sequence[Label]
    names: Sequence[str] = ()
    fingerprint: Any = None
    root: Path | None = None

    def __len__(self) -> int:
        return len(self.files)

    def path(self, number: int) -> str:
        """The path of a file below its folder, as the data have it, or the number of its row."""
        if self.root is not None:
            return self.files[number].relative_to(self.root).as_posix()
        return self.files.path(number) if isinstance(self.files, Column) else str(number)

    def select(self, order: Sequence[int]) -> Media:
        """Some of the media."""
        return replace(self, files=Subset(self.files, order), labels=[self.labels[each] for each in order])  # pyright: ignore


def splits_of(data: Any, split: str | None = None, columns: bool = False) -> dict[str | None, Any]:
    """The splits of a data set by name: folders, or `datasets.Dataset`s. One that is not divided has the name None.

    Args:
        data: a folder with a subfolder `train` and others in `SPLITS`, or without; a folder of Parquet files, or the
            name of a data set on the hub; or a `datasets.Dataset`.
        split: the one that is wanted, else all.
        columns: whether columns are asked for, so that `datasets` has to read a folder without metadata of its own.

    Raises:
        ToMeValueError: if there is no such data set.
        MissingExtraError: without the extra [eval], where it is no folder.
    """
    if not isinstance(data, str | Path):
        return {split: data}
    root = Path(data)
    if root.is_dir() and not any(next(root.glob(each), None) for each in TABLES):
        divided = {each: root / each for each in SPLITS if (root / "train").is_dir() and (root / each).is_dir()}
        folders: dict[str | None, Any] = {split: root / split} if split else {None: root, **divided}
        if not columns or any(metadata_in(folder) for folder in folders.values()):
            return folders
    with extra("eval", "load a data set of the hub"):
        import datasets
        from datasets.exceptions import DatasetsError
    try:
        rows: Any = datasets.load_dataset(str(data), split=split)
    except (OSError, ValueError, DatasetsError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ToMeValueError(complaint(RULE, f"{data} ({reason})", "Check the name and the split.")) from error
    return {split: rows} if split else dict(rows)


def media_in(
    split: Any,
    modality: str,
    media: str | None = None,
    label: str | None = None,
    limit: int | None = None,
    texts: bool = False,
) -> Media:
    """The media of a folder or a `datasets.Dataset`.

    Args:
        split: as `splits_of` gives it.
        modality: "image", "audio" or "video".
        media: the column of media; by default the first of the modality's feature.
        label: the column of classes; by default the first of ClassLabels or lists of them, else `label` or `labels`.
        limit: so many only, drawn at random, the same ones every time.
        texts: whether labels are texts: then their column is by default the first of `TEXTS`.

    Raises:
        ToMeValueError: if there are none, or no such columns.
    """
    if isinstance(split, Path):
        return _in_folder(split, modality, label, limit, texts)
    with extra("eval", "evaluate on a data set"):
        import datasets
    if not isinstance(split, datasets.Dataset):
        raise ToMeTypeError(complaint(RULE, shown(split), "Of a DatasetDict, pass one split."))
    kinds = split.features
    media = media or next((key for key, kind in kinds.items() if type(kind).__name__ == FEATURES[modality]), None)
    if not texts:
        label = label or next((key for key, kind in kinds.items() if _names(kind)), None)
    label = label or next((key for key in (TEXTS if texts else LABELS) if key in kinds), None)
    no_labels = label not in kinds and (texts or label is not None)
    if media not in kinds or no_labels or label == media or not len(split):
        said = "texts (of a folder, in its metadata.csv)" if texts else "classes"
        rule = f"The data set has rows with a column of {NAMES[modality]}, and one of {said}."
        got = f"{len(split)} rows with the columns {', '.join(kinds)}"
        raise ToMeValueError(complaint(rule, got, "Name the columns with media_column and label_column."))
    order = range(len(split))
    if limit is not None and limit < len(split):
        order = random.Random(0).sample(order, limit)  # the first ones may all be of one class
        split = split.select(order)
    names = [] if label is None else _names(kinds[label])
    labels = [] if label is None else _labels(split[label][:], names)
    return Media(Column(split, str(media), order), labels, names, [split._fingerprint, media, label])


def _in_folder(folder: Path, modality: str, label: str | None, limit: int | None, texts: bool) -> Media:
    """Media with labels by their folders, or by the metadata where a column is asked for."""
    table = metadata_in(folder)
    if table is not None and (label or texts):
        files, said = described(table, label, TEXTS if texts else LABELS)
        files, said = files[:limit], said[:limit]
    else:
        files = files_below(folder, modality)[:limit]
        said = folder_names(files, folder)
    stats = [(str(path.relative_to(folder)), (now := path.stat()).st_size, now.st_mtime_ns) for path in files]
    return Media(files, said, (), stats, folder)


def _labels(values: Sequence[Any], names: Sequence[str]) -> list[Label]:
    """What a column says of each row; numbers become names, where there are names.

    Raises:
        ToMeValueError: if a label is neither a number nor a name.
    """
    rows = [tuple(each) if isinstance(each, list) else (each,) for each in values]
    kinds, rule = (int, f"A number of the data's {len(names)} classes") if names else (int | str, "A number or a name")
    for each in (each for row in rows for each in row):
        if not isinstance(each, kinds) or (names and not 0 <= each < len(names)):
            raise ToMeValueError(complaint(f"{rule} is the label of each row.", each, "Remove such rows."))
    return [tuple(names[each] for each in row) if names else row for row in rows]


def _names(feature: Any) -> list[str]:
    """Of a ClassLabel or a list of them; empty for other features."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None) or []


class InMemory(io.BytesIO):
    """The bytes of a file that a data set holds; shown by its name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name

    def __str__(self) -> str:
        return self.name


class Column(Sequence[Any]):
    """The media of a `datasets.Dataset`.

    Args:
        rows: the data set.
        name: of the column.
        numbers: what its rows are called.
    """

    def __init__(self, rows: Any, name: str, numbers: Sequence[int]) -> None:
        feature = rows.features[name]
        decodes = type(feature).__name__ in FEATURES.values()  # our own readers decode
        self.rows = rows.cast_column(name, type(feature)(decode=False)) if decodes else rows
        self.name, self.numbers = name, numbers

    def __len__(self) -> int:
        return len(self.rows)

    def path(self, number: int) -> str:
        """What a row calls its file, which is not read; or the row's number."""
        value = self.rows.with_format("arrow")[number][self.name].combine_chunks()
        path = value.field("path")[0].as_py() if hasattr(value, "field") else None
        return path or str(self.numbers[number])

    def __getitem__(self, number: Any) -> Any:
        """A path, the content of a file, or a decoded medium.

        Raises:
            ToMeValueError: if the row holds none.
        """
        value = self.rows[number][self.name]
        if value is None:
            raise ToMeValueError(complaint("Every row holds a medium.", f"none in row {number}", "Remove this row."))
        if isinstance(value, dict) and "bytes" in value:
            name = value.get("path") or f"row {number}"
            return Path(name) if value["bytes"] is None else InMemory(value["bytes"], name)
        return Path(value) if isinstance(value, str) else value
