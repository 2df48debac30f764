"""What the outputs on a data set say of each variant, and how sure that is: the bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_tome.measure.row import Interval, Row
from hf_tome.measure.store import Cell
from hf_tome.metrics.ranking import Ranking

RESAMPLES = 200  # enough for a standard error (Efron and Tibshirani 1993, section 6.4); quantiles would need more
NORMAL = 1.959964  # standard errors on both sides that hold 95 %

Statistics = Callable[[np.ndarray], np.ndarray]  # from how often each sample was drawn, (samples,), to values (k,)


def fill_from_cells(rows: list[Row], cells: list[list[Cell]], labels: np.ndarray | None, against: int = 0) -> list[int]:
    """Fill in times, drift and metric of rows.

    Args:
        rows: the unmerged model first.
        cells: a list for each row, all of the same batches.
        labels: (all samples,) class numbers, (all samples, classes) of 0 and 1, or None.
        against: number of the row that changes are against.

    Returns:
        The numbers of the samples that they have seen.
    """
    columns = [{key: np.concatenate([cell[key] for cell in each]) for key in each[0]} for each in cells]
    seen = columns[0]["index"]
    for row, column in zip(rows, columns, strict=True):
        row.seconds = column["seconds"].tolist()
        row.speedups = (column["unmerged_seconds"] / column["seconds"]).tolist()
        row.inputs = len(seen)
    if len(seen):
        agrees, kl, predicted = ([column[key] for column in columns] for key in ("agrees", "kl", "predicted"))
        _fill_drift(rows, np.stack(agrees), np.stack(kl), against)
        if labels is not None:
            _fill_metric(rows, predicted, labels[seen], against)
    return seen.tolist()


def _fill_drift(rows: list[Row], agrees: np.ndarray, kl: np.ndarray, against: int) -> None:
    """From what was found of each sample, (rows, samples)."""
    changes = kl - kl[against]
    errors = standard_errors(means(changes), kl.shape[1])
    for number, row in enumerate(rows):
        row.agreement, row.kl = float(agrees[number].mean()), float(kl[number].mean())
        row.kl_change = float(changes[number].mean())
        row.kl_change_interval = interval(row.kl_change, float(errors[number]), -np.inf, np.inf)


def _fill_metric(rows: list[Row], predicted: list[np.ndarray], labels: np.ndarray, against: int) -> None:
    """From predicted classes (samples,), or scores (samples, classes) where labels are of that shape."""
    if labels.ndim == 2:
        if not labels.any():
            return  # no class has a positive sample yet
        metrics = average_precisions(predicted, labels)
    else:
        metrics = means(np.stack(predicted) == labels)

    def with_changes(counts: np.ndarray) -> np.ndarray:
        values = metrics(counts)
        return np.stack([values, values - values[against]])

    whole = with_changes(np.ones(len(labels), np.int64))
    errors = standard_errors(with_changes, len(labels))
    for number, row in enumerate(rows):
        row.metric, row.change = (float(each) for each in whole[:, number])
        row.interval = interval(row.metric, errors[0, number])
        row.change_interval = interval(row.change, errors[1, number], -1.0)


def standard_errors(statistics: Statistics, samples: int, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """Standard errors of several statistics of the same samples, all on the same draws, in the shape of their values.

    Args:
        statistics: from how often each sample was drawn, (samples,), to the values.
        samples: how many there are.
        resamples: how many times they are drawn, with replacement.
        seed: draws them; the same seed gives the same errors.
    """
    chance = np.random.default_rng(seed)
    draws = (np.bincount(chance.integers(samples, size=samples), minlength=samples) for _ in range(resamples))
    return np.std([statistics(counts) for counts in draws], axis=0, ddof=1)


def means(values: np.ndarray) -> Statistics:
    """The means (k,) of `values` (k, samples), as a function of the draws; of what is correct, the accuracies."""
    return lambda counts: values @ counts / counts.sum()


def average_precisions(scores: list[np.ndarray], labels: np.ndarray) -> Statistics:
    """The mean average precisions (k,) of k variants, each with scores (samples, classes), as a function of the draws.

    Classes of which no positive sample was drawn are left out of the mean.
    """
    rankings = [[Ranking(each[:, kind], labels[:, kind]) for kind in np.flatnonzero(labels.any(0))] for each in scores]

    def values(counts: np.ndarray) -> np.ndarray:
        return np.array([np.nanmean([ranking.precision(counts) for ranking in classes]) for classes in rankings])

    return values


def interval(value: float, error: float, low: float = 0.0, high: float = 1.0) -> Interval:
    """The 95 % interval around a value in [low, high]."""
    return max(low, value - NORMAL * error), min(high, value + NORMAL * error)
