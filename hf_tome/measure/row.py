"""The measurements of one variant of a model, and a report of several."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Interval = tuple[float, float]
UNMERGED = "unmerged"  # the row that all others are compared with


@dataclass
class Row:
    """One variant of a model. `measure` fills in its times and costs, `sweep` also what its outputs are worth.

    Attributes:
        r: the setting; None is the model unmerged.
        name: the variant, for people.
        settings: its `ToMeConfig` as JSON; None for the unmerged model, and where other code merges.
        batch: inputs in a round, but for the last one of a data set.
        token_counts: tokens entering each layer and leaving the last.
        macs: multiply-adds of all layers for one input.
        mac_ratio: times fewer multiply-adds than without merging.
        peak_bytes: the most memory that a round holds at once, beyond model and inputs; None where compiled.
        overhead: share of the forward that goes into merging; None where it was not measured.
        latency: seconds for a single input, the median; None where it was not measured.
        seconds: time of each round.
        inputs: inputs seen in all rounds.
        speedups: time of the unmerged model over this one's, round by round.
        metric: what `Report.metric` names; None without labels.
        interval: 95 % bootstrap interval of it.
        change: metric minus that of the unmerged model, or of the variant that `sweep` was told to compare with.
        change_interval: 95 % bootstrap interval of that, on paired draws.
        agreement: share of the samples on which the answer is that of the unmerged model.
        kl: mean divergence from the unmerged model, see `hf_tome.core.drift`; None where answers are no scores.
        kl_change: that, minus the divergence of the variant that `change` is against.
        kl_change_interval: 95 % bootstrap interval of that, on paired draws.
        more: further shares that tell how good the answers are, by name.
    """

    r: Any = None
    name: str = ""
    settings: dict[str, Any] | None = None
    batch: int = 0
    token_counts: list[int] = field(default_factory=list)
    macs: int = 0
    mac_ratio: float = 1.0
    peak_bytes: int | None = None
    overhead: float | None = None
    latency: float | None = None
    seconds: list[float] = field(default_factory=list)
    inputs: int = 0
    speedups: list[float] = field(default_factory=list)
    metric: float | None = None
    interval: Interval | None = None
    change: float | None = None
    change_interval: Interval | None = None
    agreement: float = 1.0
    kl: float | None = 0.0
    kl_change: float = 0.0
    kl_change_interval: Interval = (0.0, 0.0)
    more: dict[str, float] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Inputs per second, over all rounds."""
        return self.inputs / sum(self.seconds)

    @property
    def speedup(self) -> float:
        """Median of the paired ratios."""
        return statistics.median(self.speedups)

    @property
    def spread(self) -> Interval:
        """Quartiles of the paired ratios; of two rounds, between the two."""
        several = len(self.speedups) > 1
        low, _, high = statistics.quantiles(self.speedups, n=4, method="inclusive") if several else self.speedups * 3
        return low, high

    @property
    def score(self) -> float:
        """Speed-up over MAC ratio; 1 is the limit that the multiply-adds set."""
        return self.speedup / self.mac_ratio


def pair(rows: Sequence[Row]) -> None:
    """Fill in the speed-ups against the first row, round by round: a drift of the machine hits both times alike."""
    for row in rows:
        row.speedups = [a / b for a, b in zip(rows[0].seconds, row.seconds, strict=True)]


@dataclass
class Report:
    """The rows of a sweep with what they were measured on; the first row is the unmerged model.

    Attributes:
        model, data: their names.
        source: what the data are, as the hub names it: "imagefolder", or the name of a data set.
        split: of the data; None where there is no other.
        task: as the hub names it.
        modality: "image", "audio" or "video".
        metric: its name, as "accuracy", "mAP" or "WER"; None without labels.
        total: how many samples there are.
        machine: where and with what it was measured.
        saved: settings of merging that the model came with, as JSON; None without.
        samples: how many were evaluated, in each row.
        left_out: how many could not be read.
        rows: one for each variant.
        changed: of each sample whose answer a variant changed: `sample`, `label`, `variant`, and the answers `unmerged`
            and `merged`.
    """

    model: str
    data: str
    source: str
    split: str | None
    task: str
    modality: str
    metric: str | None
    total: int
    machine: dict[str, Any]
    saved: dict[str, Any] | None = None
    samples: int = 0
    left_out: int = 0
    rows: list[Row] = field(default_factory=list)
    changed: list[dict[str, str]] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether all samples were evaluated; not so after an interruption."""
        return self.samples + self.left_out == self.total
