"""The schedules of one model for inputs of one size, and what each of them costs."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hf_tome.core.macs import encoder_macs
from hf_tome.core.schedule import Schedule, max_merge

PerLayer = tuple[int, ...]
FINE = 2**32  # scales of a shape that are told apart


@dataclass(frozen=True)
class Space:
    """All schedules of a model: one r per layer.

    Attributes:
        tokens: that enter the first layer.
        layers: of the tower.
        protected: tokens at the front that never merge.
        hidden: width of the layers.
        intermediate: width of their MLP.
    """

    tokens: int
    layers: int
    protected: int
    hidden: int
    intermediate: int

    @property
    def nothing(self) -> PerLayer:
        """The schedule that merges nothing."""
        return (0,) * self.layers

    @property
    def everything(self) -> PerLayer:
        """The schedule in which every layer merges as much as it can."""
        return self.trimmed((self.tokens,) * self.layers)

    def counts(self, schedule: Sequence[int]) -> list[int]:
        """Tokens entering each layer and leaving the last, as `trace.token_counts`."""
        return Schedule("list", tuple(schedule)).counts(self.tokens, self.layers, self.protected)

    def macs(self, schedule: Sequence[int]) -> int:
        """Multiply-adds of all layers for one input."""
        return encoder_macs(self.counts(schedule), self.hidden, self.intermediate)

    def ratio(self, schedule: Sequence[int]) -> float:
        """How many times fewer multiply-adds than without merging."""
        return self.macs(self.nothing) / self.macs(schedule)

    def trimmed(self, schedule: Sequence[int]) -> PerLayer:
        """What the layers really merge: each at most half of the mergeable tokens that are left there."""
        return tuple(before - after for before, after in pairwise(self.counts(schedule)))

    def set(self, schedule: Sequence[int], layer: int, r: int) -> PerLayer:
        """The schedule with another r in one layer."""
        return self.trimmed((*schedule[:layer], r, *schedule[layer + 1 :]))

    def changed(self, schedule: PerLayer, layer: int, macs: int) -> PerLayer:
        """The schedule with as few tokens merged in `layer` as bring it to at most `macs` multiply-adds.

        Where even the most that the layer can merge does not, it merges that.
        """
        most = max_merge(self.counts(schedule)[layer], self.protected)
        r = bisect_left(range(most), True, key=lambda r: self.macs(self.set(schedule, layer, r)) <= macs)
        return self.set(schedule, layer, r)

    def along(self, shape: Sequence[float], macs: int) -> PerLayer | None:
        """A schedule in proportion to `shape`, with as many multiply-adds as `macs` or just fewer.

        The proportions are rounded down. Then the layers with the largest remainders merge one token more, and the
        last token goes where it saves just enough.

        Args:
            shape: a weight of at least 0 per layer; all 1 is constant.
            macs: at least those of `everything`.

        Returns:
            None if no multiple of the shape saves so much.
        """
        if macs >= self.macs(self.nothing):
            return self.nothing

        def rounded(scale: float) -> PerLayer:
            return tuple(min(self.tokens, math.floor(scale * weight)) for weight in shape)

        highest = (self.tokens + 1) / min((weight for weight in shape if weight > 0), default=1.0)
        if self.macs(rounded(highest)) > macs:
            return None
        unit = highest / FINE
        enough = bisect_left(range(FINE), True, key=lambda step: self.macs(rounded(step * unit)) <= macs)
        scale = (enough - 1) * unit  # the largest that saves too little
        schedule = rounded(scale)
        for layer in sorted(range(self.layers), key=lambda each: schedule[each] - scale * shape[each]):
            nexts = [self.set(schedule, each, schedule[each] + 1) for each in range(self.layers)]
            if reached := [each for each in nexts if self.macs(each) <= macs]:
                return max(reached, key=self.macs)
            schedule = (*schedule[:layer], schedule[layer] + 1, *schedule[layer + 1 :])
        return self.trimmed(schedule)
