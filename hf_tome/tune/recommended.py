"""Settings that reach a MAC ratio, without data: the paper's, with the r that it takes."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from hf_tome.api import apply_tome, module_of
from hf_tome.config import ToMeConfig
from hf_tome.families import tower_in
from hf_tome.measure.compare import placed_with, twin
from hf_tome.tune.goal import Goal
from hf_tome.tune.trial import space_of


def recommended(model: Any, target_speedup: float = 2.0) -> ToMeConfig:
    """Settings for `model` at a MAC ratio, without data.

        apply_tome(model, config=recommended(model, 2.0))

    One r in every layer, and the defaults for all else: at equal multiply-adds no other settings drift less beyond
    chance on all the images of docs/results/quality.md. `tune` searches further on inputs of your own.

    Args:
        model: of a supported family, or a pipeline around one. It is only read: one random input of the size that its
            config names says how many tokens it has.
        target_speedup: times fewer multiply-adds than without merging: the limit of the speed-up.

    Raises:
        ToMeTypeError, ToMeValueError: if the speed-up is no number of at least 1, or cannot be reached.
        UnsupportedModelError, UnsupportedAttentionError: as `apply_tome`.
    """
    goal = Goal(target_speedup)  # refuses what is none before anything runs
    tower, family = tower_in(apply_tome(twin(module_of(model)), r=0))
    space = space_of(tower, placed_with(tower, family.inputs(tower.config, 1)))
    most = goal.macs(space)

    def reaches(r: int) -> bool:
        return space.macs([r] * space.layers) <= most

    return ToMeConfig(r=bisect_left(range(space.tokens + 1), True, key=reaches))  # the smallest that does
