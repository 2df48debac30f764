"""Metrics of each variant from its outputs on a data set, with intervals: bootstrap (Efron 1979), rule of three."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_tome.measure.row import Interval, Row
from hf_tome.metrics.ranking import Ranking

RESAMPLES = 200  # enough for a standard error (Efron and Tibshirani 1993, section 6.4); quantiles would need more
NORMAL = 1.959964  # standard errors on both sides that hold 95 %
SAME = 1e-12  # a standard error that is nothing but rounding

Statistics = Callable[[np.ndarray], np.ndarray]  # from how often each sample counts, (samples,), to values (rows,)


def fill_drift(rows: list[Row], agrees: np.ndarray, against: int, kl: np.ndarray | None = None) -> None:
    """Fill in agreement and divergence of rows, of which the first is the unmerged model.

    `agrees` and `kl` are (rows, samples); answers that are no scores have no `kl`. Changes are against row `against`.
    """
    for row, each in zip(rows, agrees, strict=True):
        row.agreement, row.kl = float(each.mean()), None
    if kl is None:
        return
    (values, changes), (_, errors) = estimates(means(kl), kl.shape[1], against)
    for number, row in enumerate(rows):
        row.kl, row.kl_change = float(values[number]), float(changes[number])
        row.kl_change_interval = interval(row.kl_change, errors[number], -np.inf, np.inf)


def fill_metric(rows: list[Row], metrics: Statistics, samples: int, against: int, highest: float = 1.0) -> None:
    """Fill in the metric of rows, its change against row `against`, and the intervals of both, on paired draws of the
    samples. The metric is at most `highest`."""
    (values, changes), errors = estimates(metrics, samples, against)
    errors = np.where(errors > SAME, errors, 3 / samples / NORMAL)  # rule of three: rarer than 3/n
    errors[1, against] = 0.0  # a row does not differ from itself
    for number, row in enumerate(rows):
        row.metric, row.change = float(values[number]), float(changes[number])
        row.interval = interval(row.metric, errors[0, number], 0.0, highest)
        row.change_interval = interval(row.change, errors[1, number], -highest, highest)


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


def ratios(parts: np.ndarray, wholes: np.ndarray) -> Statistics:
    """The ratios (rows,) of two sums over the samples, as errors (rows, samples) by words (samples,)."""
    return lambda counts: parts @ counts / (wholes @ counts)


def average_precisions(scores: list[np.ndarray], labels: np.ndarray) -> Statistics:
    """The mean average precision of each row's scores (samples, classes), as a function of the draws.

    Classes of which no positive sample was drawn are left out of the mean.
    """
    rankings = [[Ranking(each[:, kind], labels[:, kind]) for kind in np.flatnonzero(labels.any(0))] for each in scores]
    return lambda counts: np.array([np.nanmean([each.precision(counts) for each in classes]) for classes in rankings])


def interval(value: float, error: float, low: float, high: float) -> Interval:
    """The 95 % interval around a value in [low, high]."""
    return max(low, float(value - NORMAL * error)), min(high, float(value + NORMAL * error))
