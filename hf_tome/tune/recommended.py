"""Settings that drift least off the shelf, as far as docs/results/quality.md has measured. They need no data."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from hf_tome.api import apply_tome, module_of
from hf_tome.config import ToMeConfig
from hf_tome.core.macs import encoder_macs
from hf_tome.core.schedule import Schedule
from hf_tome.families import Family, tower_in
from hf_tome.measure.compare import twin
from hf_tome.tune.goal import Goal
from hf_tome.tune.space import Space
from hf_tome.tune.trial import space_of

FINE = 10_000  # shares have four digits


def recommended(model: Any, target_speedup: float = 2.0) -> ToMeConfig:
    """Settings for `model` at a MAC ratio, without data.

        apply_tome(model, config=recommended(model, 2.0))

    For image encoders with learned positions and proportional attention, those that were chosen on photos with a
    pretrained ViT and confirmed on others: each layer merges the same share of its tokens, keys are compared with
    their heads side by side, and each position gets back what set it apart. For all others, where no other settings
    were closer, the paper's: one r in every layer.

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
    settings = settings_for(family)
    return ToMeConfig(r=r_for(space_of(tower, given), target_speedup, share=bool(settings)), **settings)


def settings_for(family: Family) -> dict[str, Any]:
    """What is recommended beside r; nothing where that was not measured."""
    measured = family.modality == "image" and family.prop_attn and not family.positions
    return {"heads": "concat", "restore": "residual"} if measured else {}


def r_for(space: Space, target_speedup: float, share: bool) -> int | float:
    """The smallest r with which a MAC ratio is reached: a share of the tokens of each layer, or one number for all.

    Raises:
        ToMeTypeError, ToMeValueError: as `Goal`.
    """
    macs = Goal(target_speedup).macs(space)
    kind = "share" if share else "constant"
    values = [step / FINE for step in range(FINE // 2 + 1)] if share else range(space.tokens + 1)

    def reaches(r: int | float) -> bool:
        counts = Schedule(kind, r).counts(space.tokens, space.layers, space.protected)
        return encoder_macs(counts, space.hidden, space.intermediate) <= macs

    return values[bisect_left(values, True, key=reaches)] or 0  # a share of 0.0 is no r
