"""The rows of a sweep, made from its cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hf_tome.data.samples import Samples
from hf_tome.measure.bootstrap import Interval, average_precisions, interval, means, standard_errors
from hf_tome.measure.store import Cell
from hf_tome.measure.timing import Timing


@dataclass
class Outcome(Timing):
    """What one variant gave: a `Timing` of which each round is a batch, paired with the unmerged model.

    Attributes:
        name: the variant, for people.
        settings: its `ToMeConfig` as JSON, None for the unmerged model.
        metric: accuracy, or mean average precision where samples have several labels; None without labels.
        interval: 95 % bootstrap interval of it.
        change: metric minus that of the unmerged model, or of the variant that `sweep` was told to compare with.
        change_interval: 95 % bootstrap interval of that, on paired draws.
        agreement: share of the samples on which the class with the highest score is that of the unmerged model.
        kl: mean divergence from the unmerged model, see `hf_tome.core.drift`.
        kl_change: that, minus the divergence of the variant that `change` is against.
        kl_change_interval: 95 % bootstrap interval of that, on paired draws.
        macs: multiply-adds of all layers for one input.
        latency: seconds for a single input, the median.
        peak_bytes: the most memory that one batch holds at once, beyond model and inputs.
    """

    name: str = ""
    settings: dict[str, Any] | None = None
    metric: float | None = None
    interval: Interval | None = None
    change: float | None = None
    change_interval: Interval | None = None
    agreement: float = 1.0
    kl: float = 0.0
    kl_change: float = 0.0
    kl_change_interval: Interval = (0.0, 0.0)
    macs: int = 0
    latency: float = 0.0
    peak_bytes: int = 0


@dataclass
class Report:
    """A sweep's rows with what they were measured on; the first row is the unmerged model.

    Attributes:
        model, data: their names.
        source: what the data are, as the hub names it: "imagefolder", or the name of a data set.
        split: of the data; None where there is no other.
        task: as the hub names it.
        metric: "accuracy" or "mAP"; None without labels.
        total: how many samples there are.
        machine: where and with what it was measured.
        samples: how many were evaluated, in each row.
        left_out: how many could not be read.
        rows: one for each variant.
    """

    model: str
    data: str
    source: str
    split: str | None
    task: str
    metric: str | None
    total: int
    machine: dict[str, Any]
    samples: int = 0
    left_out: int = 0
    rows: list[Outcome] = field(default_factory=list)

    @property
    def modality(self) -> str:
        """ "image", "audio" or "video"."""
        return self.task.partition("-")[0]

    @property
    def finished(self) -> bool:
        """Whether all samples were evaluated; not so after an interruption."""
        return self.samples + self.left_out == self.total


def outcomes(rows: list[Outcome], cells: list[list[Cell]], samples: Samples, against: int = 0) -> list[int]:
    """Fill rows from their cells, one list of cells a row, of the same batches. Gives the samples seen.

    Changes are against the row of that number.
    """
    columns = [{key: np.concatenate([cell[key] for cell in each]) for key in each[0]} for each in cells]
    seen = columns[0]["index"]
    for row, column in zip(rows, columns, strict=True):
        row.seconds = column["seconds"].tolist()
        row.speedups = (column["unmerged_seconds"] / column["seconds"]).tolist()
        row.inputs = len(seen)
        if len(seen):
            row.agreement, row.kl = float(column["agrees"].mean()), float(column["kl"].mean())
    if len(seen):
        _compare_drift(rows, np.stack([column["kl"] for column in columns]), against)
    if samples.labels is not None and len(seen):
        _judge(rows, [column["predicted"] for column in columns], samples.labels[seen], against)
    return seen.tolist()


def _compare_drift(rows: list[Outcome], kl: np.ndarray, against: int) -> None:
    changes = kl - kl[against]
    errors = standard_errors(means(changes), kl.shape[1]).tolist()
    for row, change, error in zip(rows, changes.mean(axis=1), errors, strict=True):
        row.kl_change, row.kl_change_interval = float(change), interval(float(change), error, -np.inf, np.inf)


def _judge(rows: list[Outcome], predicted: list[np.ndarray], labels: np.ndarray, against: int) -> None:
    if labels.ndim == 2:
        if not labels.any():
            return  # no class has a positive sample yet
        statistics = average_precisions(predicted, labels)
    else:
        statistics = means(np.stack(predicted) == labels)
    whole = statistics(np.ones(len(labels), np.int64))
    changes = whole - whole[against]
    errors = standard_errors(
        lambda counts: np.concatenate([(values := statistics(counts)), values - values[against]]), len(labels)
    )
    for number, row in enumerate(rows):
        row.metric, row.change = float(whole[number]), float(changes[number])
        row.interval = interval(row.metric, errors[number])
        row.change_interval = interval(row.change, errors[len(rows) + number], -1.0)
