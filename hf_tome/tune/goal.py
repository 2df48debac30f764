"""What a schedule is chosen for: a speed-up, or a bound on what it may change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.tune.space import PerLayer, Space
from hf_tome.tune.trial import Trial

RULES = {  # and an example of each
    "target_speedup": ("target_speedup is a MAC ratio of at least 1: times fewer multiply-adds.", 2.0),
    "max_kl": ("max_kl is the KL divergence from the unmerged model that is allowed, in nats, at least 0.", 0.01),
    "max_drop": ("max_drop is the accuracy that may be lost, in points of 100, at least 0.", 0.5),
}


@dataclass(frozen=True)
class Goal:
    """One of three goals, as `RULES` say: the least drift at a MAC ratio, or the fewest multiply-adds within a bound.

    Raises:
        ToMeTypeError, ToMeValueError: if not exactly one is given, or it is no such number.
    """

    target_speedup: float | None = None
    max_kl: float | None = None
    max_drop: float | None = None

    def __post_init__(self) -> None:
        chosen = {name: value for name, value in vars(self).items() if value is not None}
        if len(chosen) != 1:
            rule = f"What a schedule is chosen for is one of {', '.join(RULES)}."
            raise ToMeValueError(complaint(rule, " and ".join(chosen) or "none", "For example target_speedup=2.0."))
        ((name, value),) = chosen.items()
        rule, example = RULES[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not (1 if name == "target_speedup" else 0) <= value < math.inf:
            error = ToMeValueError if number else ToMeTypeError
            raise error(complaint(rule, shown(value), f"For example {name}={example}."))

    def macs(self, space: Space) -> int:
        """Multiply-adds at which a search can end. Raises ToMeValueError if no schedule has so few."""
        most, least = space.macs(space.nothing), space.macs(space.everything)
        macs = least if self.target_speedup is None else int(most / self.target_speedup)
        if macs < least:
            highest = f"At most {math.floor(100 * most / least) / 100} can be reached with {space.tokens} tokens."
            cure = f"{highest} Ask for less; inputs with more tokens can be merged further."
            raise ToMeValueError(complaint(RULES["target_speedup"][0], shown(self.target_speedup), cure))
        return macs

    def allows(self, trial: Trial, unmerged: Trial) -> bool:
        """Whether a schedule that does this stays within the bound; always so where there is none."""
        if self.max_kl is not None:
            return trial.kl <= self.max_kl
        return self.max_drop is None or trial.drop_from(unmerged) <= self.max_drop + 1e-9

    def best(self, space: Space, known: Mapping[PerLayer, Trial]) -> PerLayer | None:
        """The best of the schedules that were tried; None if none reaches the goal."""
        if self.target_speedup is not None:
            macs = self.macs(space)
            fast = [each for each in known if space.macs(each) <= macs]
            return min(fast, key=lambda each: (known[each].kl, space.macs(each)), default=None)
        unmerged = known[space.nothing]
        allowed = [each for each, trial in known.items() if self.allows(trial, unmerged)]
        return min(allowed, key=lambda each: (space.macs(each), known[each].kl), default=None)
