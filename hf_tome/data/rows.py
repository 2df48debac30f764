"""The media of a data set of `datasets`, row by row, and what it calls their classes."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hf_tome.data.fault import unreadable
from hf_tome.data.folder import NAMES
from hf_tome.data.labels import Label, of_multi_hot
from hf_tome.data.splits import RULE, Choice
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, extra, shown

FEATURES = {"image": "Image", "audio": "Audio", "video": "Video"}
INPUTS = ("pixel_values", "pixel_values_videos", "input_values", "input_features")  # that models take


class Prepared(dict[str, Tensor]):
    """A model's inputs for one sample, without a batch axis, made by the transform of a data set."""


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
        rows: the data set. A transform counts: it gives the medium in the same column, or a model's inputs.
        name: of the column.
        numbers: what its rows are called; by default by their places.
    """

    def __init__(self, rows: Any, name: str, numbers: Sequence[int] | None = None) -> None:
        self.given, self.name = rows, name
        self.rows = _undecoded(rows.with_format(None), name)  # our own readers decode
        self.numbers = range(len(rows)) if numbers is None else numbers

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, order: Sequence[int]) -> Column:
        """Some of the rows; they keep their numbers."""
        return Column(self.given.select(order), self.name, [self.numbers[each] for each in order])

    @property
    def fingerprint(self) -> list[Any]:
        """What `datasets` knows the rows by."""
        return [self.given._fingerprint, self.name]

    @property
    def paths(self) -> list[Path]:
        """The files that the rows name; none where they hold them."""
        if not len(self) or not isinstance(self._stored(0), Path):
            return []
        return [each for number in range(len(self)) if isinstance(each := self._stored(number), Path)]

    def path(self, number: int) -> str:
        """What a row calls its file, which is not read; or the row's number."""
        value = self.rows.with_format("arrow")[number][self.name].combine_chunks()
        path = value.field("path")[0].as_py() if hasattr(value, "field") else None
        return path or str(self.numbers[number])

    def __getitem__(self, number: Any) -> Any:
        """A path, the content of a file, a decoded medium, or what a transform has `Prepared`.

        Raises:
            ToMeValueError: if the row holds none, or its transform fails.
        """
        medium = self._transformed(number) if self.given.format["type"] == "custom" else self._stored(number)
        if medium is None:
            got = f"none in row {self.numbers[number]}"
            raise ToMeValueError(complaint("Every row holds a medium.", got, "Remove this row."))
        return _fetched(medium) if isinstance(medium, str) else medium

    def _transformed(self, number: int) -> Any:
        rule = f"The transform of the data set keeps the column {self.name}, or gives {' or '.join(INPUTS)}."
        cure = "Change it, or take it off with with_format(None)."
        try:
            row = self.given[number]
            names = INPUTS if "input_ids" in row else (*INPUTS, "attention_mask")  # which may be that of a text
            if found := Prepared({key: _floats(row[key]) for key in names if key in row}):
                return found
        except Exception as error:  # of the user's own code, or of what decodes the file for it
            got = f"row {self.numbers[number]}, where it fails ({type(error).__name__}: {error})"
            raise ToMeValueError(complaint(rule, got, cure)) from error
        if self.name not in row:
            raise ToMeValueError(complaint(rule, f"the columns {', '.join(row)}", cure))
        return self._medium(row[self.name], number)

    def _stored(self, number: int) -> Any:
        return self._medium(self.rows[number][self.name], number)

    def _medium(self, value: Any, number: int) -> Any:
        """What a row holds, as readers take it; of a file that lies elsewhere, the address."""
        name = f"row {self.numbers[number]}"
        if isinstance(value, dict) and "bytes" in value:
            name = value.get("path") or name
            value = name if value["bytes"] is None else value["bytes"]
        if isinstance(value, bytes):
            return InMemory(value, name)
        return Path(value) if isinstance(value, str) and "://" not in value else value


def _fetched(address: str) -> InMemory:
    """A file that lies elsewhere, as those of a stream of files on the hub."""
    from datasets.utils.file_utils import xopen

    try:
        with xopen(address, "rb") as file:
            return InMemory(file.read(), address)
    except Exception as error:  # of the network, or of any file system
        raise unreadable("media", address, error) from error


def media_of_rows(
    rows: Any, modality: str, choice: Choice, usual: Sequence[str], texts: bool
) -> tuple[Column, list[Label | None], list[str]]:
    """The media of a `datasets.Dataset` or of a stream, their labels, and the names of the classes in their order.

    Args:
        rows: the data set. Of a stream, the rows are kept in memory.
        modality: "image", "audio" or "video".
        choice: the columns, and how many rows.
        usual: names of columns of labels.
        texts: whether labels are texts.

    Returns:
        Without a column of labels, the lists are empty. A row that says no label has None.

    Raises:
        ToMeTypeError, ToMeValueError: if it is no data set, or has no such columns.
    """
    limit, media, label = choice.limit, choice.media_column, choice.label_column
    rows = _with_length(rows, limit)
    kinds = rows.features
    media = media or next((key for key, kind in kinds.items() if type(kind).__name__ == FEATURES[modality]), None)
    if not texts:
        label = label or next((key for key, kind in kinds.items() if _names(kind)), None)
    label = label or next((key for key in usual if key in kinds), None)
    no_labels = label not in kinds and (texts or label is not None)
    if media not in kinds or no_labels or label == media or not len(rows):
        said = "texts (of a folder, in its metadata.csv)" if texts else "classes"
        rule = f"The data set has rows with a column of {NAMES[modality]}, and one of {said}."
        got = f"{len(rows)} rows with the columns {', '.join(kinds)}"
        raise ToMeValueError(complaint(rule, got, "Name the columns with media_column and label_column."))
    column = Column(rows, str(media))
    if limit is not None and limit < len(rows):
        column = column.select(random.Random(0).sample(range(len(rows)), limit))  # the first may be of one class
    if label is None:
        return column, [], []
    names, values = _names(kinds[label]), column.rows[label][:]
    several, places = ([], []) if names else of_multi_hot(values)
    return column, [*several] or _labels(column, values, names), places or names


def _with_length(rows: Any, limit: int | None) -> Any:
    """A `datasets.Dataset`; of a stream, its first rows."""
    with extra("eval", "read a data set"):
        import datasets
    if not isinstance(rows, datasets.Dataset | datasets.IterableDataset):
        raise ToMeTypeError(complaint(RULE, shown(rows), "Load the data set with `datasets`."))
    if isinstance(rows, datasets.Dataset):
        return rows
    kinds, stored = dict(rows.features or {}), {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    media = [name for name, kind in kinds.items() if type(kind).__name__ in FEATURES.values()]
    for name in media:
        rows = _undecoded(rows, name)
    plain = datasets.Features({**kinds, **dict.fromkeys(media, stored)}) if kinds else None
    found = datasets.Dataset.from_list(list(rows if limit is None else rows.take(limit)), features=plain)
    for name in media:
        found = found.cast_column(name, type(kinds[name])(decode=False))
    return found


def _undecoded(rows: Any, name: str) -> Any:
    """The data set with the files of a column as they are."""
    feature = rows.features[name]
    decodes = type(feature).__name__ in FEATURES.values()
    return rows.cast_column(name, type(feature)(decode=False)) if decodes else rows


def _floats(values: Any) -> Tensor:
    found = torch.as_tensor(values)
    return found.float() if found.is_floating_point() else found


def _labels(column: Column, values: Sequence[Any], names: Sequence[str]) -> list[Label | None]:
    """What a column says of each row; numbers become names, where there are names. None where it says nothing.

    Raises:
        ToMeValueError: if a label is neither a number nor a name.
    """
    nothing = (None, -1) if names else (None,)  # -1: as `datasets` has it
    rows = [tuple(each) if isinstance(each, list) else None if each in nothing else (each,) for each in values]
    kinds, rule = (int, f"A number of the data's {len(names)} classes") if names else (int | str, "A number or a name")
    for number, each in ((number, each) for number, row in enumerate(rows) for each in row or ()):
        if not isinstance(each, kinds) or (names and not 0 <= each < len(names)):
            got = f"{each} for {column.path(number)}"
            raise ToMeValueError(complaint(f"{rule} is the label of each row.", got, "Remove such rows."))
    return [row if row is None or not names else tuple(names[each] for each in row) for row in rows]


def _names(feature: Any) -> list[str]:
    """Of a ClassLabel or a list of them; empty for other features."""
    return getattr(feature, "names", None) or getattr(getattr(feature, "feature", None), "names", None) or []
