"""What the outputs on a data set say of each variant, and how sure that is: the bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_tome.measure.row import Interval, Row
from hf_tome.measure.store import Cell
from hf_tome.metrics.ranking import Ranking

RESAMPLES = 200  # enough for a standard error (Efron and Tibshirani 1993, section 6.4); quantiles would need more
NORMAL = 1.959964  # standard errors on both sides that hold 95 %

Statistics = Callable[[np.ndarray], np.ndarray]  # from how often each sample counts, (samples,), to values (rows,)


def fill_from_cells(rows: list[Row], cells: list[list[Cell]], labels: np.ndarray | None, against: int = 0) -> int:
    """Fill in times, drift and metric of rows.

    Args:
        rows: the unmerged model first.
        cells: a list for each row, all of the same batches.
        labels: (all samples,) class numbers, (all samples, classes) of 0 and 1, or None.
        against: number of the row that changes are against.

    Returns:
        How many samples they have seen.
    """
    columns = [{key: np.concatenate([cell[key] for cell in each]) for key in each[0]} for each in cells]
    seen = columns[0]["index"]
    for row, column in zip(rows, columns, strict=True):
        row.seconds = column["seconds"].tolist()
        row.speedups = (column["unmerged_seconds"] / column["seconds"]).tolist()
        row.inputs = len(seen)
    if len(seen):
        drift = means(np.stack([column["kl"] for column in columns]))
        (values, changes), (_, errors) = estimates(drift, len(seen), against)
        for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
            row.agreement = float(column["agrees"].mean())
            row.kl, row.kl_change = float(values[number]), float(changes[number])
            row.kl_change_interval = interval(row.kl_change, errors[number], -np.inf, np.inf)
        if labels is not None and (labels.ndim == 1 or labels[seen].any()):  # some class has a positive sample
            _fill_metric(rows, [column["predicted"] for column in columns], labels[seen], against)
    return len(seen)


def _fill_metric(rows: list[Row], predicted: list[np.ndarray], labels: np.ndarray, against: int) -> None:
    """From predicted classes (samples,), or scores (samples, classes) where labels are of that shape."""
    metrics = means(np.stack(predicted) == labels) if labels.ndim == 1 else average_precisions(predicted, labels)
    (values, changes), errors = estimates(metrics, len(labels), against)
    for number, row in enumerate(rows):
        row.metric, row.change = float(values[number]), float(changes[number])
        row.interval = interval(row.metric, errors[0, number])
        row.change_interval = interval(row.change, errors[1, number], -1.0)


def estimates(statistics: Statistics, samples: int, against: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of all rows and their changes against one of them, (2, rows), and the standard errors of both.

    Samples are drawn with replacement, the same ones for all rows, so that the changes are on paired draws.
    """

    def values_and_changes(counts: np.ndarray) -> np.ndarray:
        values = statistics(counts)
        return np.stack([values, values - values[against]])

    chance = np.random.default_rng(0)
    draws = (np.bincount(chance.integers(samples, size=samples), minlength=samples) for _ in range(RESAMPLES))
    errors = np.std([values_and_changes(counts) for counts in draws], axis=0, ddof=1)
    return values_and_changes(np.ones(samples, np.int64)), errors


def means(values: np.ndarray) -> Statistics:
    """The means (rows,) of `values` (rows, samples), as a function of the draws; of what is correct, the accuracies."""
    return lambda counts: values @ counts / counts.sum()


def average_precisions(scores: list[np.ndarray], labels: np.ndarray) -> Statistics:
    """The mean average precision of each row's scores (samples, classes), as a function of the draws.

    Classes of which no positive sample was drawn are left out of the mean.
    """
    rankings = [[Ranking(each[:, kind], labels[:, kind]) for kind in np.flatnonzero(labels.any(0))] for each in scores]
    return lambda counts: np.array([np.nanmean([each.precision(counts) for each in classes]) for classes in rankings])


def interval(value: float, error: float, low: float = 0.0, high: float = 1.0) -> Interval:
    """The 95 % interval around a value in [low, high]."""
    return max(low, float(value - NORMAL * error)), min(high, float(value + NORMAL * error))
