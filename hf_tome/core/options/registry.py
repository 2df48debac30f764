"""Names for the choices of one option, and the complaint about a name that is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

T = TypeVar("T")


class Registry(Generic[T]):
    """The choices of one option by name: those of the package, which are fixed, and those that users add.

    Args:
        option: its name in `ToMeConfig`.
        choices: those of the package.
    """

    def __init__(self, option: str, choices: dict[str, T]) -> None:
        self.option = option
        self.shipped, self._choices = frozenset(choices), dict(choices)

    def __iter__(self) -> Iterator[str]:
        return iter(self._choices)

    def __getitem__(self, name: str) -> T:
        """The choice of that name. Raises `ToMeTypeError` or `ToMeValueError` if there is none."""
        if isinstance(name, str) and name in self._choices:
            return self._choices[name]
        rule, cure = f"{self.option} is one of {', '.join(self)}.", "Leave it out for the default."
        if not isinstance(name, str):
            raise ToMeTypeError(complaint(rule, shown(name), cure))
        if self.option == "matching":
            cure = "Correct the name, or call register_matching with it first."
        raise ToMeValueError(complaint(rule, shown(name), cure))

    def register(self, name: str, choice: T) -> None:
        """Add a choice, or replace one that was added before.

        Raises:
            ToMeTypeError, ToMeValueError: if the name is no word, or belongs to the package.
        """
        rule = f"The name of a {self.option} is a word that the package does not use itself."
        if not isinstance(name, str):
            raise ToMeTypeError(complaint(rule, shown(name), "Pass a str."))
        if not name.isidentifier() or name in self.shipped:
            raise ToMeValueError(complaint(rule, shown(name), "Choose another, such as my_matching."))
        self._choices[name] = choice
