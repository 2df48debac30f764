"""Labels: what a data set calls its classes, found among the classes of a model."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from hf_tome.errors import ToMeValueError, complaint

Label = str | tuple[Any, ...]  # the name of a folder, or what a row of a data set holds: names or numbers of classes
Numbers = tuple[int, ...]  # of the classes of one sample
UNNAMED = re.compile(r"LABEL_\d+")  # the names that transformers gives to unnamed classes
WORDNET = re.compile(r"n\d{8}")  # the folders of ImageNet
SHOWN = 20  # names that a message lists


def plain_name(name: str) -> str:
    """A class name as a folder can carry it: `T-shirt/top` and `t-shirt_top` are the same. All letters stay."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(" +", "_", "".join(each if unicodedata.category(each)[0] in "LMN" else " " for each in text))


def parts_of(folder: str) -> tuple[str, ...]:
    """The classes that a folder CLASS+CLASS names. `C++` is one."""
    parts = folder.split("+")
    return tuple(parts) if all(parts) else (folder,)


class Classes:
    """The classes of a model by name: by the exact name first, else by its `plain_name`.

    Args:
        pairs: name and number of each class. Several names may have one number.
    """

    def __init__(self, pairs: Iterable[tuple[str, int]]) -> None:
        self.pairs = list(pairs)
        self.exact: dict[str, set[int]] = {}
        self.plain: dict[str, set[int]] = {}
        for name, number in self.pairs:
            self.exact.setdefault(name, set()).add(number)
            self.plain.setdefault(plain_name(name), set()).add(number)

    def find(self, name: str, place: int | None = None) -> int | None:
        """The number of the class of that name; None if there is none.

        Args:
            name: as a data set has it.
            place: its place among the data's classes, which decides between two classes of one name.

        Raises:
            ToMeValueError: if two classes fit.
        """
        plain = plain_name(name)
        found = self.exact.get(name) or (self.plain.get(plain) if plain.strip("_") else None) or set()
        if len(found) > 1 and place not in found:
            fitting = [f"{other} (number {number})" for other, number in self.pairs if number in found]
            rule = f"Each name stands for one of the classes: {_listed([other for other, _ in self.pairs])}."
            raise ToMeValueError(complaint(rule, f"{name}, which fits {_listed(fitting)}", "Rename one of them."))
        return place if place in found else next(iter(found), None)

    def numbers(self, labels: Sequence[Label], names: Sequence[str] = (), optional: bool = False) -> list[Numbers]:
        """The numbers of the classes of each sample.

        Args:
            labels: as the data have them. A folder is CLASS, or CLASS+CLASS where its files have several; "" stands
                for no folder. Numbers are those of the model, or its names, where all of these are numbers.
            names: of the data's classes in their order, if they have one; of folders, in that of the alphabet.
            optional: whether all folders may be named otherwise: then there are no labels, and the list is empty.

        Raises:
            ToMeValueError: if there is no class of a name.
        """
        folders = any(isinstance(label, str) for label in labels)
        places = {name: place for place, name in enumerate(names)}
        same_order = bool(names) and self._in_order(names, folders)
        numbered = all(name.isdecimal() for name in self.exact)

        def number_of(name: Any) -> Any:
            name = str(name) if numbered else name
            found = self.find(name, None if folders else places.get(name)) if isinstance(name, str) else name
            return places.get(name) if found is None and same_order else found

        found: dict[Label, set[Any]] = {}
        for label in set(labels):
            folder = isinstance(label, str)
            found[label] = {number_of(each) for each in (parts_of(label) if folder else label)}
            if folder and (label in self.exact or None in found[label]):
                found[label] = {number_of(label)}
        missing = [label for label, row in found.items() if None in row]
        if optional and missing and len(missing) == len(found) and isinstance(missing[0], str):
            return []
        if missing:
            rule = f"The classes are {_listed([name for name, _ in self.pairs])}."
            got = f"no class for {_listed(missing)}, among {_listed([*found])}"
            raise ToMeValueError(complaint(rule, got, "Rename or remove these."))
        rows = {label: tuple(sorted(row)) for label, row in found.items()}
        return [rows[label] for label in labels]

    def _in_order(self, names: Sequence[str], folders: bool) -> bool:
        """Whether classes of the data that are not found by name are those of the same number."""
        as_many = len(names) == len(self.pairs)
        if all(UNNAMED.fullmatch(name) for name, _ in self.pairs):
            in_doubt = len(names) > 10 and all(map(str.isdecimal, names))  # numbers, or in the order 1, 10, 2
            return not folders or (as_many and not in_doubt)
        if as_many and all(map(WORDNET.fullmatch, names)):
            return True
        if folders:
            return False
        found = [self.find(name, place) for place, name in enumerate(names)]
        missing = [name for name, number in zip(names, found, strict=True) if number is None]
        # ImageNet has two cranes: data sets that need different names call one of them otherwise
        few = as_many and 0 < 100 * len(missing) <= len(names)
        if same := few and all(number in (None, place) for place, number in enumerate(found)):
            warnings.warn(f"Matched by number, since no class has the name: {_listed(missing)}.", stacklevel=3)
        return same


def of_multi_hot(rows: Sequence[Any]) -> tuple[list[Numbers | None], list[str]]:
    """Of rows that say 0 or 1 of each class, the numbers of those that hold, and of all classes as names. Both are
    empty where rows are something else: a list of class numbers holds none twice."""
    said = [row for row in rows if row is not None]
    lists = [row for row in said if isinstance(row, list | tuple) and all(each in (0, 1) for each in row)]
    if len(lists) < len(said) or len({*map(len, lists)}) != 1 or all(len({*row}) == len(row) for row in lists):
        return [], []
    numbers = [row if row is None else tuple(number for number, yes in enumerate(row) if yes) for row in rows]
    return numbers, [str(number) for number in range(len(lists[0]))]


def label_array(rows: Sequence[Numbers], classes: int) -> np.ndarray:
    """Class numbers (samples,), or 0 and 1 (samples, classes) where some sample has not exactly one class.

    Raises:
        ToMeValueError: if a label is no class number.
    """
    if wrong := [each for row in rows for each in row if not (isinstance(each, int) and 0 <= each < classes)]:
        rule = f"A label is a class number of the model, 0 to {classes - 1}."
        raise ToMeValueError(complaint(rule, wrong[0], "Use a model for the classes of this data set."))
    if all(len(row) == 1 for row in rows):
        return np.array([row[0] for row in rows])
    several = np.zeros((len(rows), classes), np.int64)
    for sample, row in enumerate(rows):
        several[sample, list(row)] = 1
    return several


def _listed(labels: Sequence[Label]) -> str:
    said = sorted("+".join(map(str, each)) if isinstance(each, tuple) else each or "no folder" for each in labels)
    return ", ".join(said[:SHOWN]) + (f" and {len(said) - SHOWN} more" if len(said) > SHOWN else "")
