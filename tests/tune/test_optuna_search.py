"""The search by optuna: on toys, and from end to end."""

from __future__ import annotations

import sys

import pytest
from cases import SMALL_VIT
from test_greedy_search import convex

from hf_tome import MissingExtraError, ToMeError
from hf_tome.tune import Space, tune
from hf_tome.tune.greedy_search import Drift, usual_schedules
from hf_tome.tune.optuna_search import search_with_optuna
from hf_tome.tune.space import PerLayer

TOY = Space(tokens=65, layers=5, protected=1, hidden=8, intermediate=32)
TRIALS = 25


class Spent(Exception):
    """Enough was asked."""


def limited(drift: Drift, asked: list[PerLayer]) -> Drift:
    """A drift that may be asked so often, and remembers what."""

    def ask(schedule: PerLayer) -> float:
        if len(asked) == TRIALS:
            raise Spent
        asked.append(schedule)
        return drift(schedule)

    return ask


@pytest.mark.parametrize("weights", [(9, 1, 1, 1, 1), (0, 5, 1, 0, 1)])
def test_the_usual_schedules_first_then_better_ones(weights: PerLayer) -> None:
    drift, macs, asked = convex(weights), int(TOY.macs(TOY.nothing) / 1.5), []
    with pytest.raises(Spent):
        search_with_optuna(TOY, limited(drift, asked), macs)
    usual = list(usual_schedules(TOY, macs).values())
    assert asked[:2] == usual
    assert len(set(asked)) == TRIALS
    assert all(TOY.macs(each) <= macs for each in asked)
    assert min(map(drift, asked)) < min(map(drift, usual))


def test_the_same_again() -> None:
    asked: list[list[PerLayer]] = [[], []]
    for each in asked:
        with pytest.raises(Spent):
            search_with_optuna(TOY, limited(convex((1, 2, 3, 4, 5)), each), TOY.macs((5, 5, 5, 5, 5)))
    assert asked[0] == asked[1]


def test_within_a_bound_more_is_saved_than_by_the_usual_schedules() -> None:
    drift, asked = convex((9, 1, 1, 1, 1)), []
    with pytest.raises(Spent):
        search_with_optuna(TOY, limited(drift, asked), TOY.macs(TOY.everything), lambda each: drift(each) <= 400)
    best = min((each for each in asked if drift(each) <= 400), key=TOY.macs)
    assert TOY.macs(best) < TOY.macs((5, 5, 5, 5, 5))  # the most that a constant one may merge: its drift is 325


def test_it_ends_where_there_are_few_schedules() -> None:
    tiny = Space(tokens=5, layers=2, protected=1, hidden=8, intermediate=16)
    found = search_with_optuna(tiny, lambda schedule: float(sum(schedule)), tiny.macs((1, 0)))
    assert tiny.macs(found) <= tiny.macs((1, 0))
    nothing = search_with_optuna(tiny, lambda schedule: 1.0, tiny.macs(tiny.everything), lambda schedule: False)
    assert nothing == tiny.nothing


@pytest.mark.slow
def test_of_a_model() -> None:
    inputs = SMALL_VIT.inputs(6)
    found = tune(SMALL_VIT.build(), inputs, target_speedup=1.3, trials=14, searcher="optuna")
    usual = tune(SMALL_VIT.build(), inputs, target_speedup=1.3, trials=2)
    assert 1.3 <= found.mac_ratio < 1.4
    assert found.trial.kl < usual.trial.kl
    assert len(found.known) == 15


def test_no_such_searcher() -> None:
    for searcher in ("", "random", 3, None):
        with pytest.raises(ToMeError, match="greedy, optuna"):
            tune(SMALL_VIT.build(), SMALL_VIT.inputs(), max_kl=1.0, searcher=searcher)  # pyright: ignore


def test_where_optuna_is_missing_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r'pip install "hf_tome\[tune\]"'):
        search_with_optuna(TOY, convex((1, 1, 1, 1, 1)), TOY.macs((5, 5, 5, 5, 5)))
