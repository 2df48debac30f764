"""Another search for a schedule, by optuna. Like `greedy_search`, it knows no model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from hf_tome.errors import extra
from hf_tome.tune.greedy_search import Allowed, Drift, usual_shapes
from hf_tome.tune.space import PerLayer, Space

if TYPE_CHECKING:
    from optuna import Study

SEED = 0
REPEATS = 20  # proposals in a row that are not new: then little is left to find


def search_with_optuna(space: Space, drift: Drift, macs: int, bound: Allowed | None = None) -> PerLayer:
    """Look for the same as `search_greedily`, by optuna's tree-structured Parzen estimator (Bergstra et al., 2011).

    Each layer has a weight, and a schedule is in proportion to the weights. Without a bound it has `macs` multiply-adds
    or just fewer. With a bound it has any number above, and one that is not allowed counts as worse than no merging.
    Returns the best schedule that it found.

    Raises:
        MissingExtraError: if optuna is not installed.
    """
    study, most = _study(space, bound is not None), space.macs(space.nothing)
    values: dict[PerLayer, float] = {space.nothing: 1.0 if bound else float("inf")}
    repeats = 0
    while repeats < REPEATS:
        trial = study.ask()
        shape = [trial.suggest_float(f"layer {layer}", 0, 1) for layer in range(space.layers)]
        share = trial.suggest_float("share", 0, 1) if bound else 1.0
        schedule = space.along(shape, most - int(share * (most - macs)))
        repeats = 0 if schedule and schedule not in values else repeats + 1
        if schedule and schedule not in values:
            far = drift(schedule)
            values[schedule] = far if bound is None else space.macs(schedule) / most if bound(schedule) else 1 + far
        study.tell(trial, values[schedule] if schedule else float("inf"))
    return min(values, key=lambda each: values[each])


def _study(space: Space, bounded: bool) -> Study:
    """A seeded study that begins with the usual shapes."""
    with extra("tune", "search with optuna"):
        import optuna
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # multivariate: what one layer bears depends on the others
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=SEED, multivariate=True))
    optuna.logging.set_verbosity(before)
    for shape in usual_shapes(space.layers).values():
        weights = {f"layer {layer}": weight / max(shape) for layer, weight in enumerate(shape)}
        study.enqueue_trial(weights | ({"share": 0.5} if bounded else {}))
    return study
