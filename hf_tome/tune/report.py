"""A schedule chosen on some samples of a data set, and compared on others with the usual schedules at equal cost."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from hf_tome.config import ToMeConfig
from hf_tome.core.options.matchings import MATCHINGS
from hf_tome.data.classifier import Classifier
from hf_tome.data.samples import Samples, read_all
from hf_tome.measure.row import Row
from hf_tome.measure.store import Store, run_of
from hf_tome.tune.choose import Tuned, tune
from hf_tome.tune.goal import Goal
from hf_tome.tune.greedy_search import usual_schedules
from hf_tome.tune.trial import Trial, Trials

Batches = list[dict[str, Any]]
SEED = 0  # draws the samples, so that each call draws the same


def drawn(
    classifier: Classifier, samples: Samples, limit: int, batch_size: int, skip_bad: bool = False
) -> tuple[Batches, Batches]:
    """Calibration inputs and held-out inputs, in batches, with `labels` where each sample has one. All stay in memory.

    Args:
        classifier: reads the samples.
        samples: of which at most `limit` are drawn for each part; of fewer than twice as many, one half.
        limit: inputs of a part.
        batch_size: inputs of a batch.
        skip_bad: leave out samples that cannot be read, with a warning.
    """
    order = random.Random(SEED).sample(range(samples.count), samples.count)
    calibrating = min(limit, -(-samples.count // 2))

    def batches(part: list[int]) -> Batches:
        found: Batches = []
        for start in range(0, len(part), batch_size):
            media, numbers = read_all(samples, part[start : start + batch_size], skip_bad)
            if media:
                found.append({**classifier.inputs(media)})
                if samples.labels is not None and not samples.several:
                    found[-1]["labels"] = torch.from_numpy(samples.labels[numbers])
        return found

    return batches(order[:calibrating]), batches(order[calibrating : calibrating + limit])


def tune_kept(
    classifier: Classifier,
    calibration: Batches,
    store: Path | None,
    done: Callable[[Tuned], None] = lambda best: None,
    **goal: Any,
) -> Tuned:
    """`tune` on what `drawn` gives. Each finished trial is kept in the file `store`, from which a call with the same
    model and inputs goes on; None keeps nothing."""
    settings = {field.name: goal.get(field.name) for field in fields(ToMeConfig)}
    tensors = (each for batch in calibration for each in batch.values())
    own = goal.get("matching", "bipartite") not in MATCHINGS.shipped  # its name does not tell what it does
    with closing(Store(None if own else store, run_of(classifier.model, settings, tensors))) as kept:
        known = {tuple(json.loads(schedule)): Trial(**trial) for schedule, trial in kept.costs().items()}

        def keep(best: Tuned) -> None:
            fresh = {schedule: trial for schedule, trial in best.known.items() if schedule not in known}
            kept.add_costs({json.dumps(schedule): asdict(trial) for schedule, trial in fresh.items()})
            known.update(fresh)
            done(best)

        return tune(classifier.model, calibration, known=dict(known), done=keep, **goal)


def judged(classifier: Classifier, tuned: Tuned, batches: Batches) -> list[Row]:
    """The unmerged model, the tuned schedule, and the usual ones with as many multiply-adds or just fewer, as rows
    named "unmerged", "tuned", "constant" and "decreasing". Their metric is the accuracy."""
    trials = Trials(classifier.model, batches, tuned.config)
    space = trials.space
    schedules = {"unmerged": space.nothing, "tuned": tuple(tuned.r), **usual_schedules(space, space.macs(tuned.r))}
    rows = []
    for name, r in schedules.items():
        found, ratio = trials(r), space.ratio(r)
        rows.append(Row(list(r), name, mac_ratio=ratio, kl=found.kl, agreement=found.agreement, metric=found.accuracy))
    return rows


def remarks(goal: Goal, rows: list[Row], held_out: bool) -> list[str]:
    """What the rows of `judged` do not say by themselves: that the search found nothing better than the constant
    schedule, or that the bound of the goal does not hold on held-out inputs."""
    by_name, said = {row.name: row for row in rows}, []
    unmerged, tuned, constant = by_name["unmerged"], by_name["tuned"], by_name.get("constant")
    if constant and not (tuned.kl or 0) < (constant.kl or 0) and any(tuned.r):
        said.append(f"No better than the constant schedule: apply_tome(model, r={constant.r}) does as well here.")
    if not held_out:
        return said
    cure = "Ask for less, or choose by more inputs (--limit)."
    if goal.max_kl is not None and (tuned.kl or 0) > goal.max_kl:
        said.append(f"The KL divergence is {tuned.kl:.2g} here, above --max-kl {goal.max_kl:g}. {cure}")
    drop = 0.0 if unmerged.metric is None or tuned.metric is None else 100 * (unmerged.metric - tuned.metric)
    if goal.max_drop is not None and drop > goal.max_drop + 1e-9:
        said.append(f"{drop:.1f} points of accuracy are lost here, above --max-drop {goal.max_drop:g}. {cure}")
    return said
