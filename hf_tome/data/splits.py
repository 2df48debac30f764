"""The splits of a data set, wherever it lies: in a folder, on the hub, or in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_tome.data.hub import asking, may_be_on_hub
from hf_tome.data.metadata import is_metadata, metadata_in
from hf_tome.errors import ToMeValueError, complaint, extra

RULE = "The data is a folder, the name of a data set on the hub, or a datasets.Dataset."
SPLITS = ("train", "validation", "valid", "val", "test")
ALSO = {"training": "train", "testing": "test"}  # what folders of splits are called too, in capitals or not
TABLES = ("*.parquet", "*/*.parquet")

Splits = dict[str | None, Any]  # by name; what is not divided has the name None


@dataclass(frozen=True)
class Choice:
    """What is taken of a data set. Whatever reads data takes these.

    Attributes:
        split: of a data set, or a subfolder.
        limit: so many samples only, drawn at random, the same ones every time. Of a stream, the first.
        media_column: the column of images, sounds or videos; by default the first of that feature.
        label_column: the column of classes, by default the first of ClassLabels or lists of them, else `label` or
            `labels`; or that of texts, by default the first of `TEXTS` in `hf_tome.data.media`.
        streaming: do not download a data set of the hub.
        skip_bad_files: leave out rows without a label, with a warning.
    """

    split: str | None = None
    limit: int | None = None
    media_column: str | None = None
    label_column: str | None = None
    streaming: bool = False
    skip_bad_files: bool = False


def splits_of(data: Any, choice: Choice, texts: bool = False) -> Splits:
    """The splits of a data set: folders, or what `datasets` has for a split.

    Args:
        data: a folder with a subfolder `train` and others in `SPLITS`, or without; a folder of Parquet files, or one
            that `save_to_disk` wrote; the name of a data set on the hub, as NAME or NAME:CONFIGURATION; or a data set
            of `datasets`, divided or not.
        choice: the split that is wanted, else all are. Where it names columns, `datasets` reads a folder that has no
            metadata.
        texts: whether texts are wanted, as a column of them.

    Raises:
        ToMeValueError: if there is no such data set or split.
        MissingExtraError: without the extra [eval], where it is no folder.
    """
    split, columns = choice.split, texts or choice.media_column or choice.label_column
    if isinstance(data, str | Path):
        root = Path(data)
        if root.is_dir() and not _is_table(root):
            folders = _folders(root, split)
            if not columns or any(metadata_in(folder) for folder in folders.values()):
                return folders
        if not root.is_dir() and (isinstance(data, Path) or not may_be_on_hub(data)):
            raise ToMeValueError(complaint(RULE, f"{data}, which is no folder", "Check the path."))
        data = _loaded(root, str(data), choice)
        if split is not None and not isinstance(data, Mapping):
            return {split: data}
    splits: Splits = dict(data) if isinstance(data, Mapping) else {None: data}
    if split is None or None in splits:
        return splits
    if split not in splits:
        raise ToMeValueError(complaint(f"The splits are {', '.join(map(str, splits))}.", split, "Choose one of them."))
    return {split: splits[split]}


def _is_table(root: Path) -> bool:
    """Whether `datasets` has to read a folder: what `save_to_disk` wrote, or Parquet files."""
    parquet = (path for pattern in TABLES for path in root.glob(pattern) if not is_metadata(path))
    return _is_saved(root) or next(parquet, None) is not None


def _is_saved(root: Path) -> bool:
    return (root / "dataset_dict.json").is_file() or (root / "state.json").is_file()


def _folders(root: Path, split: str | None) -> Splits:
    named = {each.name.casefold(): each for each in root.glob("*") if each.is_dir()}
    there = {ALSO.get(name, name): folder for name, folder in named.items()}
    if split is not None:
        return {split: root / split if (root / split).is_dir() else there.get(split, root / split)}
    divided = {each: there[each] for each in SPLITS if "train" in there and each in there}
    return {None: root, **divided}


def _loaded(root: Path, name: str, choice: Choice) -> Any:
    with extra("eval", "load a data set of the hub"):
        import datasets
    try:
        if _is_saved(root):
            return datasets.load_from_disk(name)
        with asking(name):
            name, _, config = (name, "", "") if root.exists() else name.partition(":")
            return datasets.load_dataset(name, config or None, split=choice.split, streaming=choice.streaming)
    except Exception as error:  # of many kinds: of the hub, of its network, of scripts and files that are broken
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ToMeValueError(complaint(RULE, f"{name} ({reason})", "Check the name and the split.")) from error
