"""Settings that reach a MAC ratio, without data: the paper's, with the r that it takes."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from hf_tome.api import apply_tome, module_of
from hf_tome.config import ToMeConfig
from hf_tome.core.macs import encoder_macs
from hf_tome.core.schedule import Schedule
from hf_tome.families import tower_in
from hf_tome.measure.compare import twin
from hf_tome.tune.goal import Goal
from hf_tome.tune.space import Space
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
    Goal(target_speedup)  # refuses what is none before anything runs
    tower, family = tower_in(apply_tome(twin(module_of(model)), r=0))
    first = next(tower.parameters())
    given = {
        name: value.to(first.device, first.dtype if value.is_floating_point() else None)
        for name, value in family.inputs(tower.config, 1).items()
    }
    return ToMeConfig(r=r_for(space_of(tower, given), target_speedup))


def r_for(space: Space, target_speedup: float) -> int:
    """The smallest number of tokens to merge in every layer with which a MAC ratio is reached.

    Raises:
        ToMeTypeError, ToMeValueError: as `Goal`.
    """
    most = Goal(target_speedup).macs(space)

    def reaches(r: int) -> bool:
        counts = Schedule("constant", r).counts(space.tokens, space.layers, space.protected)
        return encoder_macs(counts, space.hidden, space.intermediate) <= most

    return bisect_left(range(space.tokens + 1), True, key=reaches)
