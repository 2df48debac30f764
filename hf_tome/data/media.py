"""What a data set holds: the media of a split, and what it calls their classes."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hf_tome.data.folder import as_text, files_below, folder_names
from hf_tome.data.labels import of_multi_hot, parts_of
from hf_tome.data.metadata import described, metadata_in
from hf_tome.data.rows import Column, media_of_rows
from hf_tome.data.splits import Choice
from hf_tome.errors import ToMeValueError, complaint

LABELS = ("label", "labels")  # columns that hold classes
TEXTS = ("text", "texts", "caption", "captions", "transcription", "transcript", "sentence")  # and those that hold texts
PIECE = 1 << 14  # bytes of a file that are hashed at its beginning, its middle and its end


@dataclass(frozen=True)
class Media:
    """Images, sounds or clips with what the data call their classes. Nothing is read before it is asked for.

    Attributes:
        files: paths, contents of files or decoded media, as the readers of `hf_tome.data` take them.
        labels: of each, the name of its folder, or class names, or class numbers. Empty without labels.
        names: of the data's classes, in the order that the data give them; of folders, in that of the alphabet; empty
            without an order.
        root: the folder that they lie in.
    """

    files: Sequence[Any]
    labels: Sequence[Any]
    names: Sequence[str] = ()
    root: Path | None = None

    def __len__(self) -> int:
        return len(self.files)

    @property
    def fingerprint(self) -> list[Any]:
        """Plain data, others where the files differ."""
        rows, paths = (self.files.fingerprint, self.files.paths) if isinstance(self.files, Column) else ([], self.files)
        return [*rows, *(stamp(path) for path in paths if isinstance(path, Path))]

    def path(self, number: int) -> str:
        """The path of a file below its folder, as the data have it, or the number of its row."""
        if self.root is not None:
            path: Path = self.files[number]
            return as_text((path.relative_to(self.root) if self.root in path.parents else path).as_posix())
        return self.files.path(number) if isinstance(self.files, Column) else str(number)

    def select(self, order: Sequence[int]) -> Media:
        """Some of the media."""
        column = self.files if isinstance(self.files, Column) else None
        files = column.select(order) if column else [self.files[each] for each in order]
        return replace(self, files=files, labels=[self.labels[each] for each in order])


def stamp(path: Path) -> list[Any]:
    """A file's name, size and time of change, and a hash of three pieces of it."""
    try:
        about, digest = path.stat(), hashlib.sha256()
        with path.open("rb") as file:
            for place in (0, about.st_size // 2, max(0, about.st_size - PIECE)):
                file.seek(place)
                digest.update(file.read(PIECE))
    except OSError:  # whoever reads it says what is wrong
        return [path.name]
    return [path.name, about.st_size, about.st_mtime_ns, digest.hexdigest()]


def media_in(part: Any, modality: str, choice: Choice, texts: bool = False) -> Media:
    """The media of one split.

    Args:
        part: a folder or what `datasets` has, as `splits_of` gives it.
        modality: "image", "audio" or "video".
        choice: columns, and how many. A folder's metadata count where they have such a column, else its subfolders.
        texts: whether labels are texts.

    Raises:
        ToMeValueError: if there are none, no such columns, or some have a label and others none.
    """
    usual = TEXTS if texts else LABELS
    if isinstance(part, Path):
        media = _in_folder(part, modality, choice, usual, texts)
    else:
        media = Media(*media_of_rows(part, modality, choice, usual, texts))
    missing = [number for number, label in enumerate(media.labels) if label is None]
    if len(missing) == len(media) and not texts:
        return replace(media, labels=[])
    if missing and not choice.skip_bad_files:
        got = f"none for {media.path(missing[0])}; {len(missing)} of {len(media)} rows have none"
        cure = "Remove these rows, or leave them out with skip_bad_files."
        raise ToMeValueError(complaint(f"Every row has a {'text' if texts else 'label'}.", got, cure))
    if missing:
        warnings.warn(f"{len(missing)} of {len(media)} rows have no label and are left out.", stacklevel=2)
        media = media.select(sorted({*range(len(media))} - {*missing}))
    return media


def _in_folder(folder: Path, modality: str, choice: Choice, usual: Sequence[str], texts: bool) -> Media:
    table, column = metadata_in(folder), choice.label_column
    optional = column is None and not texts
    said = described(table, folder, column, usual, optional, choice.skip_bad_files) if table else None
    if said is None:
        files = files_below(folder, modality)
        labels = folder_names(files, folder)
        names = sorted({part for label in {*labels} for part in parts_of(label)} - {""})
        return Media(files[: choice.limit], labels[: choice.limit], names, folder)
    files, labels = said[0][: choice.limit], said[1][: choice.limit]
    if not texts and all(isinstance(each, str) and each.isdecimal() for label in labels for each in label or ()):
        labels = [label and tuple(map(int, label)) for label in labels]  # a CSV file knows no numbers
    several, names = of_multi_hot(labels)
    return Media(files, several or labels, names, folder)
