"""How many tokens each layer merges: every form of r, its JSON, and bad values."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_tome.core import Schedule, match_bipartite
from hf_tome.errors import ToMeTypeError, ToMeValueError

quick = settings(deadline=None, derandomize=True, max_examples=100)

counts = st.integers(0, 300)
inflections = st.floats(-1, 1)
shares = st.floats(0, 1, exclude_min=True, exclude_max=True)
good = counts | shares | st.tuples(counts, inflections) | st.lists(counts, min_size=1, max_size=24)


def per_layer(r: Any, layers: int, mergeable: int = 10**6) -> list[int]:
    schedule = Schedule.parse(r)
    return [schedule.wanted(layer, layers, mergeable) for layer in range(layers)]


def test_an_int_is_constant() -> None:
    assert per_layer(16, 4) == [16, 16, 16, 16]


@pytest.mark.parametrize(
    ("r", "layers", "expected"),
    [
        ((16, -1.0), 12, [32, 29, 26, 23, 20, 17, 14, 11, 8, 5, 2, 0]),
        ((16, 1.0), 12, [0, 2, 5, 8, 11, 14, 17, 20, 23, 26, 29, 32]),
        ((16, 0), 3, [16, 16, 16]),
        ((8, 0.5), 5, [4, 6, 8, 10, 12]),
        ((8, -0.5), 5, [12, 10, 8, 6, 4]),
        ((8, -1.0), 2, [16, 0]),
        ((8, -1.0), 1, [8]),
        ((0, -1.0), 3, [0, 0, 0]),
    ],
)
def test_a_pair_is_linear_over_the_layers(r: Any, layers: int, expected: list[int]) -> None:
    assert per_layer(r, layers) == expected


@quick
@given(counts, inflections, st.integers(2, 48))
def test_a_pair_keeps_the_total_and_its_direction(r: int, inflection: float, layers: int) -> None:
    wanted = per_layer((r, inflection), layers)
    assert abs(sum(wanted) - r * layers) <= layers  # each entry is rounded down
    assert wanted[0] == int(r * (1 - inflection))
    assert abs(wanted[-1] - r * (1 + inflection)) <= 1
    assert all(0 <= each <= 2 * r for each in wanted)
    assert wanted in (sorted(wanted), sorted(wanted, reverse=True))


@quick
@given(st.lists(counts, min_size=1, max_size=12), st.integers(0, 12))
def test_a_list_is_per_layer_and_padded_with_zeros(r: list[int], more: int) -> None:
    layers = len(r) + more
    schedule = Schedule.parse(r)
    schedule.check_layers(layers)
    assert [schedule.wanted(layer, layers, 10**6) for layer in range(layers)] == r + [0] * more


def test_a_list_longer_than_the_model_is_refused() -> None:
    with pytest.raises(ToMeValueError, match=r"this model has 4 layers.*5 entries.*[Ss]horten"):
        Schedule.parse([1, 2, 3, 4, 5]).check_layers(4)


@quick
@given(shares, st.integers(0, 5000))
def test_a_float_is_a_share_of_the_mergeable_tokens(share: float, mergeable: int) -> None:
    wanted = per_layer(share, 3, mergeable)
    assert wanted == [int(share * mergeable)] * 3
    assert 0 <= wanted[0] <= mergeable


def test_a_share_follows_the_shrinking_sequence() -> None:
    assert Schedule.parse(0.1).counts(110, 3, protected=10) == [110, 100, 91, 83]


@quick
@given(good, st.integers(1, 30), st.integers(1, 24), st.integers(0, 3))
def test_counts_are_what_the_matching_leaves(r: Any, tokens: int, layers: int, protected: int) -> None:
    schedule = Schedule.parse(r)
    counted = schedule.counts(tokens, layers, protected)
    expected = [tokens]
    for layer in range(layers):
        wanted = schedule.wanted(layer, layers, expected[-1] - protected)
        metric = torch.arange(expected[-1] * 2.0).view(1, -1, 2)
        plan = match_bipartite(metric, wanted, protected)
        left = expected[-1] if plan is None else plan.count
        assert left == expected[-1] - min(wanted, oracle.most_removed(expected[-1], protected))
        expected.append(left)
    assert counted == expected
    assert all(type(count) is int for count in counted)


def test_vit_b_counts_of_the_paper() -> None:
    """ViT-B/16 at 224 pixels with r=16: 197 tokens, 5 left, the last merge capped at half of the 20 mergeable."""
    assert Schedule.parse(16).counts(197, 12, protected=1) == [*range(197, 20, -16), 11]
    assert Schedule.parse(8).counts(197, 12, protected=1)[-1] == 197 - 8 * 12


@quick
@given(good)
def test_json_and_back(r: Any) -> None:
    schedule = Schedule.parse(r)
    saved = json.loads(json.dumps(schedule.to_json()))
    assert Schedule.parse(saved) == schedule
    assert Schedule.parse(schedule) is schedule


class Layers(IntEnum):
    """An int that is no plain int."""

    MANY = 7


@pytest.mark.parametrize(
    ("r", "saved"),
    [
        (np.int64(5), 5),
        (np.uint8(5), 5),
        (Layers.MANY, 7),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (Fraction(1, 4), 0.25),
        ([np.int32(3), Layers.MANY], [3, 7]),
        ((np.int64(4), np.float32(-1)), {"r": 4, "inflection": -1.0}),
        ((4, Fraction(1, 2)), {"r": 4, "inflection": 0.5}),
        ((4, 1), {"r": 4, "inflection": 1.0}),
        (sys.maxsize, sys.maxsize),
    ],
)
def test_other_numbers_become_plain_ones(r: Any, saved: Any) -> None:
    written = Schedule.parse(r).to_json()
    assert written == saved
    assert json.dumps(written) == json.dumps(saved)  # 7 and not Layers.MANY


class Raises:
    """A number whose conversion fails with an error of its own."""

    def fail(self, *_: object) -> Any:
        raise ZeroDivisionError("not a number after all")

    __index__ = __int__ = __float__ = __repr__ = fail


class RaisingFloat(Raises, float):
    """The same, and a real number by its type."""


BAD_VALUES = [
    -1, -(10**5000), 10**400, sys.maxsize + 1, 0.0, -0.0, 1.0, -0.5, 2.5, float("nan"), float("inf"), 1e-400,
    Fraction(3, 2), Fraction(10**400, 3), np.int64(-3), (), (1,), (1, 2, 3), (4, 1.5), (4, -1.01), (4, float("nan")),
    (4, 10**400), (-4, 0.5), (10**400, 0.5), [-1], [3, 10**400], {}, {"r": 4}, {"inflection": 1.0},
    {"r": 4, "inflection": 2.0}, {"r": 4, "inflection": 0.5, "more": 1}, {1: 2}, {"r": -4, "inflection": 0.5},
]  # fmt: skip
BAD_TYPES = [
    None, True, False, "16", b"16", Decimal("0.5"), 1j, object(), int, (1.5, 0.5), (True, 0.5), (4, True), (4, "1"),
    (4, None), ("4", 0.5), (4, Decimal(1)), [1.0], [True], ["1"], [None], [[1]], [(4, 0.5)], {3, 4}, range(3),
    iter([1, 2]), np.bool_(True), np.array(3), np.array([3]), np.array([1, 2]), torch.tensor(3), torch.tensor([3]),
    torch.tensor(True), torch.tensor([1, 2]), torch.tensor(0.5), Raises(), RaisingFloat(0.5), (4, RaisingFloat(0.5)),
    [Raises()], {"r": None, "inflection": 0.5}, {"r": 4, "inflection": Raises()},
]  # fmt: skip


@pytest.mark.parametrize("r", BAD_VALUES, ids=lambda r: type(r).__name__)
def test_a_wrong_value_says_so(r: Any) -> None:
    with pytest.raises(ToMeValueError, match=r"(?s)^r is an int >= 0, .* Got: .+ (Write|For|As JSON)") as caught:
        Schedule.parse(r)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("r", BAD_TYPES, ids=lambda r: type(r).__name__)
def test_a_wrong_type_says_so(r: Any) -> None:
    with pytest.raises(ToMeTypeError, match=r"(?s)^r is an int >= 0, .* Got: .+ (Write|For|As JSON)") as caught:
        Schedule.parse(r)
    assert isinstance(caught.value, TypeError)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.fractions() | st.decimals(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=6,
)


@settings(quick, max_examples=150)
@given(anything, st.integers(1, 40), st.integers(0, 2000))
def test_anything_is_refused_or_works(r: Any, layers: int, tokens: int) -> None:
    try:
        schedule = Schedule.parse(r)
        schedule.check_layers(layers)
    except (ToMeValueError, ToMeTypeError):
        return
    counted = schedule.counts(tokens, layers, protected=1)
    assert len(counted) == layers + 1
    assert counted == sorted(counted, reverse=True)
    assert min(counted) >= 0
    json.dumps(schedule.to_json())
