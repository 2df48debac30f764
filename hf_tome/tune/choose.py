"""`tune`: the schedule that reaches a goal best on calibration inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from torch import nn

from hf_tome.config import ToMeConfig
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.tune.goal import RULES, Goal
from hf_tome.tune.greedy_search import Search, search_greedily, usual_schedules
from hf_tome.tune.optuna_search import search_with_optuna
from hf_tome.tune.space import PerLayer, Space
from hf_tome.tune.trial import Trial, Trials

TRIALS_PER_LAYER = 12
SEARCHERS: dict[str, Search] = {"greedy": search_greedily, "optuna": search_with_optuna}


@dataclass(frozen=True)
class Tuned:
    """A schedule, and what it does on the calibration inputs. On other inputs it does a little more harm.

    Attributes:
        config: the settings, for `apply_tome(model, config=tuned.config)`.
        mac_ratio: times fewer multiply-adds than without merging: the limit of the speed-up.
        trial: KL divergence, agreement and accuracy.
        drop: points of accuracy that are lost; None without labels.
        known: every schedule that was tried.
        space: the schedules of this model for these inputs.
    """

    config: ToMeConfig
    mac_ratio: float
    trial: Trial
    drop: float | None
    known: Mapping[PerLayer, Trial]
    space: Space

    @property
    def r(self) -> list[int]:
        """Tokens to merge in each layer, for `apply_tome(model, r=tuned.r)`."""
        return self.config.r


def tune(
    model: nn.Module,
    calibration: Any,
    *,
    target_speedup: float | None = None,
    max_kl: float | None = None,
    max_drop: float | None = None,
    trials: int | None = None,
    searcher: str = "greedy",
    known: Mapping[PerLayer, Trial] | None = None,
    done: Callable[[Tuned], None] = lambda best: None,
    **settings: Any,
) -> Tuned:
    """Find r for each layer: the least drift at a MAC ratio, or the highest MAC ratio within a bound.

    The drift is the KL divergence of the predictions from those of the unmerged model. It needs no labels.

    Args:
        model: a classifier of a supported family. It is only read.
        calibration: a dict of the model's inputs, or a list of such dicts; 64 inputs or more are good. With `labels`
            (batch,) the accuracy is measured too.
        target_speedup: the MAC ratio to reach, as 2.0.
        max_kl: or the mean KL divergence that is allowed, in nats, as 0.01.
        max_drop: or the points of accuracy that may be lost, as 0.5; needs labels.
        trials: the most schedules that are tried; by default 12 a layer.
        searcher: "greedy", or "optuna" with the extra [tune].
        known: what was measured before on the same model and inputs: those are not run again.
        done: called after each schedule with the best so far; what it raises ends the search.
        **settings: any field of `ToMeConfig` but r: `prop_attn`, `restore`.

    Raises:
        ToMeTypeError, ToMeValueError: if an argument is not as said here, or the goal cannot be reached.
        UnsupportedModelError, UnsupportedAttentionError: as `apply_tome`.
        MissingExtraError: if the searcher is not installed.
    """
    goal = Goal(target_speedup, max_kl, max_drop)
    _check(model, trials, searcher, settings)
    tried = Trials(model, calibration, ToMeConfig.from_dict({**settings, "r": 0}), known)
    if max_drop is not None and not tried.labelled:
        cure = "Put `labels` into the calibration inputs, or give max_kl or target_speedup, which need none."
        raise ToMeValueError(complaint(RULES["max_drop"][0], "inputs without labels", cure))
    with suppress(_SpentError):
        _search(tried, goal, SEARCHERS[searcher], trials or TRIALS_PER_LAYER * tried.space.layers, done)
    best = _best(tried, goal)
    assert best is not None  # the unmerged schedule keeps every bound, and the constant one reaches every MAC ratio
    return best


def _check(model: Any, trials: Any, searcher: Any, settings: dict[str, Any]) -> None:
    if not isinstance(model, nn.Module):
        raise ToMeTypeError(complaint("tune takes a torch module.", type(model).__name__, "Pass the model."))
    if trials is not None and (isinstance(trials, bool) or not isinstance(trials, int) or trials < 1):
        cure = f"Leave it out for {TRIALS_PER_LAYER} a layer."
        raise ToMeValueError(complaint("trials is an int of at least 1.", shown(trials), cure))
    if not isinstance(searcher, str) or searcher not in SEARCHERS:
        rule = f"The searcher is one of {', '.join(SEARCHERS)}."
        raise ToMeValueError(complaint(rule, shown(searcher), "Leave it out for greedy."))
    if "r" in settings:
        raise ToMeValueError(complaint("tune chooses r.", f"r={shown(settings['r'])}", "Leave it out."))


class _SpentError(Exception):
    """As many schedules were tried as were asked for."""


def _search(trials: Trials, goal: Goal, search: Search, budget: int, done: Callable[[Tuned], None]) -> None:
    """Try schedules until `budget` are tried beside the unmerged one: _SpentError. `done` gets the best after each."""
    space, unmerged = trials.space, trials(trials.space.nothing)
    macs = goal.macs(space)

    def ask(schedule: PerLayer) -> Trial:
        if schedule not in trials.tried:
            if len(trials.tried) > budget:
                raise _SpentError
            trials(schedule)
            if best := _best(trials, goal):
                done(best)
        return trials.tried[schedule]

    def allowed(schedule: PerLayer) -> bool:
        return goal.allows(ask(schedule), unmerged)

    bounded = goal.target_speedup is None
    for usual in () if bounded else usual_schedules(space, macs).values():  # so that there is a best one at once
        ask(usual)
    search(space, lambda schedule: ask(schedule).kl, macs, allowed if bounded else None)


def _best(trials: Trials, goal: Goal) -> Tuned | None:
    """The best so far; None if none reaches the goal."""
    space, schedule = trials.space, goal.best(trials.space, trials.tried)
    if schedule is None:
        return None
    trial = trials.tried[schedule]
    drop = None if trial.accuracy is None else trial.drop_from(trials.tried[space.nothing])
    config = trials.settings.replace(r=list(schedule))
    return Tuned(config, space.ratio(schedule), trial, drop, trials.tried, space)
