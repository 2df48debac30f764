"""The tables of a study: equal multiply-adds, the default in each, the papers' figures."""

from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.study.tables import NAMES, READ_ATTENTION, tables
from hf_tome import ToMeConfig, ToMeValueError
from hf_tome.core.options.matchings import MATCHINGS
from hf_tome.tune.space import Space

SPACES = [Space(197, 12, 1, 768, 3072), Space(197, 8, 1, 96, 192), Space(512, 6, 0, 96, 384), Space(9, 1, 0, 8, 16)]


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_every_choice_has_the_multiply_adds_of_the_default(space: Space, share: float) -> None:
    """Up to one token in one layer, by which a schedule can be rounded."""
    r = max(1, int(share * (space.tokens - space.protected) / space.layers / 2))
    macs = space.macs([r] * space.layers)
    largest = space.macs(space.nothing) - space.macs(space.set(space.nothing, 0, 1))
    for table in tables(space, r, True):
        assert ToMeConfig(r) in [choice.setting for choice in table.choices]
        for choice in table.choices:
            counts = choice.setting.schedule.counts(space.tokens, space.layers, space.protected)
            schedule = [before - after for before, after in pairwise(counts)]
            assert macs - largest <= space.macs(schedule) <= macs, choice
            choice.setting.recipe.check_layers(space.layers)


def test_each_table_has_each_choice_once() -> None:
    found = tables(SPACES[0], 8, False)
    assert [table.name for table in found] == list(NAMES)
    for table in found:
        assert len({str(choice.setting) for choice in table.choices}) == len(table.choices)
        assert len({choice.name for choice in table.choices}) == len(table.choices)
        papers = [choice.paper for choice in table.choices if choice.paper is not None]
        assert papers == sorted(papers, reverse=True) or table.name == "method"
        assert bool(papers) == bool(table.source)
    compared = {choice.setting.matching for table in found for choice in table.choices}
    assert compared == MATCHINGS.shipped


def test_the_tables_that_need_eager_attention_are_named() -> None:
    needing = [
        table.name
        for table in tables(SPACES[0], 8, True)
        if any(choice.setting.recipe.matching.attention for choice in table.choices)
    ]
    assert needing == list(READ_ATTENTION)


def test_figures_of_proportional_attention_are_those_of_the_kind_of_model() -> None:
    (supervised,), (masked,) = (tables(SPACES[0], 8, kind, ["prop_attn"]) for kind in (True, False))
    assert [choice.paper for choice in supervised.choices] == [83.51, 82.15]
    assert [choice.paper for choice in masked.choices] == [84.25, 83.84]
    assert supervised.choices[0].setting == masked.choices[0].setting == ToMeConfig(8)


def test_a_table_that_there_is_not_is_refused() -> None:
    with pytest.raises(ToMeValueError, match="metric, distance"):
        tables(SPACES[0], 8, True, ["metrics"])
