"""The search against the best of all schedules, on toys small enough to try each; and what holds of every schedule."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_tome.core.macs import encoder_macs, mac_ratio
from hf_tome.core.schedule import Schedule
from hf_tome.tune.greedy_search import search_greedily, usual_shapes
from hf_tome.tune.space import PerLayer, Space

TOY = Space(tokens=49, layers=3, protected=1, hidden=8, intermediate=32)
spaces = st.builds(
    Space,
    tokens=st.integers(5, 300),
    layers=st.integers(1, 12),
    protected=st.integers(0, 2),
    hidden=st.sampled_from([8, 64]),
    intermediate=st.sampled_from([16, 256]),
)


@cache
def everything(space: Space) -> set[PerLayer]:
    """All schedules that differ in what they merge."""
    return {space.trimmed(each) for each in product(range(space.tokens // 2 + 1), repeat=space.layers)}


def convex(weights: PerLayer) -> Callable[[PerLayer], float]:
    """A drift of which each layer costs the more the more it merges."""
    return lambda schedule: sum(w * r**2 for w, r in zip(weights, schedule, strict=True))


@pytest.mark.parametrize(
    ("weights", "target"),
    [((1, 1, 1), 1.2), ((9, 1, 1), 1.5), ((1, 1, 9), 2.0), ((1, 30, 1), 1.2), ((0, 5, 1), 1.5), ((2, 1, 0), 2.0)],
)
def test_close_to_the_best_of_all_schedules(weights: PerLayer, target: float) -> None:
    """It sees few of them, is never worse than the usual ones, and not far from the best."""
    drift, macs, asked = convex(weights), int(TOY.macs(TOY.nothing) / target), set()

    def counted(schedule: PerLayer) -> float:
        asked.add(schedule)
        return drift(schedule)

    found = search_greedily(TOY, counted, macs)
    assert TOY.macs(found) <= macs
    best = min(drift(each) for each in everything(TOY) if TOY.macs(each) <= macs)
    usual = [drift(TOY.along(shape, macs) or ()) for shape in usual_shapes(3).values()]
    assert best <= drift(found) <= min(1.4 * best, *usual)
    assert len(asked) < len(everything(TOY)) / 4


def test_a_layer_that_costs_nothing_merges_first() -> None:
    found = search_greedily(TOY, convex((5, 0, 5)), TOY.macs((0, 12, 0)))
    assert found == (0, 12, 0)


@pytest.mark.parametrize("bound", [0.0, 20.0, 200.0, 1e9])
def test_within_a_bound_it_saves_what_can_be_saved(bound: float) -> None:
    drift = convex((1, 2, 3))
    found = search_greedily(TOY, drift, TOY.macs(TOY.everything), lambda each: drift(each) <= bound)
    assert drift(found) <= bound
    most, least = TOY.macs(TOY.nothing), min(TOY.macs(each) for each in everything(TOY) if drift(each) <= bound)
    assert most - TOY.macs(found) >= 0.85 * (most - least)


def test_nothing_is_merged_where_nothing_is_to_be_saved() -> None:
    assert TOY.along((1, 2, 3), TOY.macs(TOY.nothing)) == TOY.nothing
    assert TOY.along((0, 0, 0), TOY.macs(TOY.nothing) - 1) is None


@settings(deadline=None, derandomize=True, max_examples=60)
@given(spaces, st.floats(0, 1), st.data())
def test_schedules_along_a_shape_have_the_multiply_adds_that_were_asked_for(space: Space, share: float, data) -> None:
    """No more, and fewer by less than one token: without its last tokens it would have more."""
    most, least = space.macs(space.nothing), space.macs(space.everything)
    macs = int(least + share * (most - least))
    shape = data.draw(st.lists(st.floats(0.05, 1), min_size=space.layers, max_size=space.layers))
    schedule = space.along(shape, macs)
    assert schedule is not None
    assert space.macs(schedule) <= macs
    assert space.trimmed(schedule) == schedule
    one_less = [space.set(schedule, each, r - 1) for each, r in enumerate(schedule) if r]
    assert not one_less or max(space.macs(each) for each in one_less) > macs


@settings(deadline=None, derandomize=True, max_examples=60)
@given(spaces, st.data())
def test_what_a_schedule_costs_is_what_the_report_says(space: Space, data) -> None:
    schedule = data.draw(st.lists(st.integers(0, 80), min_size=space.layers, max_size=space.layers))
    counts = Schedule.parse(schedule).counts(space.tokens, space.layers, space.protected)
    assert space.macs(schedule) == encoder_macs(counts, space.hidden, space.intermediate)
    assert space.ratio(schedule) == pytest.approx(mac_ratio(counts, space.hidden, space.intermediate))
    assert space.counts(space.trimmed(schedule)) == counts


@settings(deadline=None, derandomize=True, max_examples=60)
@given(spaces, st.floats(0, 1), st.data())
def test_a_changed_layer_merges_no_more_than_is_needed(space: Space, share: float, data) -> None:
    schedule = space.trimmed(data.draw(st.lists(st.integers(0, 40), min_size=space.layers, max_size=space.layers)))
    layer = data.draw(st.integers(0, space.layers - 1))
    macs = int(share * space.macs(space.nothing))
    changed = space.changed(schedule, layer, macs)
    if space.macs(changed) <= macs and changed[layer]:
        assert space.macs(space.set(changed, layer, changed[layer] - 1)) > macs
    assert changed[:layer] == schedule[:layer]
