"""Objects that nobody expects as an argument, and strategies that draw them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from numbers import Integral
from typing import Any

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from torch import nn

from hf_tome import ToMeConfig

quick = settings(deadline=None, derandomize=True, max_examples=20)


class Broken:
    """An object on which everything fails, with an error of its own."""

    def fail(self, *_: object) -> Any:
        raise ArithmeticError("this object is broken")

    __repr__ = __str__ = __index__ = __int__ = __float__ = __bool__ = __eq__ = __len__ = __iter__ = fail
    __hash__ = object.__hash__


class BrokenFloat(Broken, float):
    """The same, and a real number by its type."""


@Integral.register
class BrokenIntegral(Broken):
    """The same, and an integer by its type."""


class BrokenInt(int):
    """An int that cannot be shown, copied or converted."""

    def fail(self, *_: object) -> Any:
        raise ArithmeticError("this int is broken")

    __repr__ = __str__ = __int__ = __float__ = __deepcopy__ = __reduce_ex__ = fail


class MyInt(int):
    """An int as good as any."""


def endless() -> list[Any]:
    """A list that holds itself."""
    inside: list[Any] = [1]
    inside.append(inside)
    return inside


def deep() -> list[Any]:
    inside: list[Any] = []
    for _ in range(5000):
        inside = [inside]
    return inside


# made anew for each example: some are used up by the first look
NASTY: tuple[Callable[[], Any], ...] = (
    object, Broken, BrokenIntegral, str, endless, deep, dict, list, tuple, set, bytearray,
    lambda: int, lambda: Broken, lambda: len,
    lambda: NotImplemented, lambda: ..., lambda: True, lambda: False, lambda: BrokenFloat(0.5), lambda: BrokenInt(3),
    lambda: MyInt(2), lambda: MyInt(-2), lambda: 10**400, lambda: -(10**5000), lambda: 2**63, lambda: 2**63 - 1,
    lambda: float("nan"), lambda: float("inf"), lambda: 5e-324, lambda: 1 - 2**-53, lambda: 1j, lambda: "8",
    lambda: b"8", lambda: "\ud800", lambda: "x" * 10**5, lambda: Fraction(1, 3), lambda: Fraction(7, 2),
    lambda: Fraction(10**400, 3), lambda: Decimal("0.5"), lambda: Decimal("sNaN"), lambda: range(3),
    lambda: (r for r in (1, 2)), lambda: iter([2]), lambda: {1, 2}, lambda: {1: 2}, lambda: {None: None},
    lambda: {Broken(): 1}, lambda: {"r": Broken()}, lambda: {"r": 2, "inflection": -1}, lambda: {"r": 2, 3: 4},
    lambda: {"r": 10**400, "inflection": 0.5}, lambda: [2, True], lambda: [2, [1]], lambda: [2] * 10**5,
    lambda: [Broken()], lambda: [2, 10**400], lambda: (2, Broken()), lambda: (2, BrokenFloat(0.5)),
    lambda: (10**400, 0.5), lambda: (2**63 - 1, 0.5), lambda: (2, 10**400), lambda: (BrokenInt(3), 0.5),
    lambda: np.int64(2), lambda: np.uint8(2), lambda: np.int8(-2), lambda: np.float16(0.5), lambda: np.float64("nan"),
    lambda: np.bool_(True), lambda: np.array(2), lambda: np.array([2]), lambda: np.array([1, 2]), lambda: np.zeros(0),
    lambda: np.array([Broken()], dtype=object), lambda: np.timedelta64(3, "s"), lambda: np.datetime64("2020-01-01"),
    lambda: torch.tensor(2), lambda: torch.tensor([2]), lambda: torch.tensor([1, 2]), lambda: torch.tensor(True),
    lambda: torch.tensor(0.5), lambda: torch.zeros(0), lambda: torch.empty(3, device="meta"),
    lambda: nn.Linear(1, 1), lambda: ToMeConfig(2), lambda: ToMeConfig, lambda: torch.float32,
)  # fmt: skip
nasty = st.sampled_from(NASTY).map(lambda make: make())
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
anything = st.recursive(
    nasty | plain,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
good_r = st.integers(0, 40) | st.floats(0.01, 0.9) | st.tuples(st.integers(0, 20), st.floats(-1, 1))
any_r = anything | good_r | st.lists(st.integers(-1, 9), min_size=1, max_size=6)
names = st.sampled_from(["prop_attn", "restore", "r", "self", "cls", "values", "changes", "tome"]) | st.text(max_size=4)
json_like = st.dictionaries(names | st.integers() | nasty.filter(lambda key: is_hashable(key)), anything, max_size=3)


def is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except Exception:
        return False
    return True
