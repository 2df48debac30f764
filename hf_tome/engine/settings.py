"""What a tower merges by: the user's settings with what follows from them for its family."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hf_tome.config import ToMeConfig
from hf_tome.core import Recipe, Schedule
from hf_tome.families import Family


@dataclass(frozen=True)
class Settings:
    """What a tower merges by. Frozen: a forward keeps the settings that it began with.

    Attributes:
        config: the user's settings.
        family: the tower's.
        layers: how many it has.
        schedule, before, recipe: those of the config.
        prop_attn: whether log-size is added to the attention, as the user, the matching or the family says: the first
            that does.
    """

    config: ToMeConfig
    family: Family
    layers: int
    schedule: Schedule = field(init=False)
    before: Schedule = field(init=False)
    recipe: Recipe = field(init=False)
    prop_attn: bool = field(init=False)

    def __post_init__(self) -> None:
        recipe = self.config.recipe
        choices = self.config.prop_attn, recipe.matching.prop_attn, self.family.prop_attn
        prop_attn = next(choice for choice in choices if choice is not None)
        schedule, before = self.config.schedule, self.config.before
        vars(self).update(schedule=schedule, before=before, recipe=recipe, prop_attn=prop_attn)

    def r(self, layer: int, tokens: int) -> int:
        """How many of its tokens a layer merges."""
        return self.schedule.capped(layer, self.layers, tokens, self.family.protected + self.family.protected_at_end)

    def premerged(self, tokens: int) -> int:
        """How many tokens merge before the first layer. One that may merge stays."""
        mergeable = tokens - self.family.protected - self.family.protected_at_end
        return min(self.before.wanted(0, 1, mergeable), max(0, mergeable - 1))

    def __reduce__(self) -> tuple[Any, ...]:
        return Settings, (self.config, self.family, self.layers)  # a user's own matching cannot be pickled by name
