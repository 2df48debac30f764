"""Times of several variants of one model, taken in turn so that they can be compared."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Timing:
    """What one variant took.

    Attributes:
        r: the setting; None is the untouched model.
        token_counts: tokens entering each layer and leaving the last.
        mac_ratio: times fewer multiply-adds than without merging.
        seconds: time of each round.
        inputs: inputs seen.
        speedups: time of the untouched model over this one's, round by round.
    """

    r: Any
    token_counts: list[int] = field(default_factory=list)
    mac_ratio: float = 1.0
    seconds: list[float] = field(default_factory=list)
    inputs: int = 0
    speedups: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Inputs per second, over all rounds."""
        return self.inputs / sum(self.seconds)

    @property
    def speedup(self) -> float:
        """Median of the paired ratios."""
        return statistics.median(self.speedups)

    @property
    def spread(self) -> tuple[float, float]:
        """Quartiles of the paired ratios."""
        low, _, high = statistics.quantiles(self.speedups, n=4) if len(self.speedups) > 1 else self.speedups * 3
        return low, high

    @property
    def score(self) -> float:
        """Speed-up over MAC ratio; 1 is the limit that the multiply-adds set."""
        return self.speedup / self.mac_ratio


def turned(variants: Sequence[T], number: int) -> list[T]:
    """The variants in an order that turns from round to round, so that none is always the first."""
    start = number % len(variants)
    return [*variants[start:], *variants[:start]]


def pair(timings: Sequence[Timing]) -> None:
    """Fill in the speed-ups against the first, round by round: a drift of the machine hits both times alike."""
    for timing in timings:
        timing.speedups = [a / b for a, b in zip(timings[0].seconds, timing.seconds, strict=True)]
