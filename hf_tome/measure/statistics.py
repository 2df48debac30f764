"""What the outputs on a data set say of each variant, and how sure that is: the bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_tome.measure.row import Interval, Row
from hf_tome.metrics.ranking import Ranking

RESAMPLES = 200  # enough for a standard error (Efron and Tibshirani 1993, section 6.4); quantiles would need more
NORMAL = 1.959964  # standard errors on both sides that hold 95 %

Statistics = Callable[[np.ndarray], np.ndarray]  # from how often each sample was drawn, (samples,), to values (k,)


def fill_drift(rows: list[Row], agrees: np.ndarray, against: int, kl: np.ndarray | None = None) -> None:
    """Fill in how far rows are from the first one.

    Args:
        rows: the unmerged model first.
        agrees: (rows, samples): whether the answer is the unmerged model's.
        against: number of the row that changes are against.
        kl: (rows, samples): the divergence; None where there is none.
    """
    for row, each in zip(rows, agrees, strict=True):
        row.agreement, row.kl = float(each.mean()), None
    if kl is None:
        return
    changes = kl - kl[against]
    errors = standard_errors(means(changes), kl.shape[1])
    for number, row in enumerate(rows):
        row.kl, row.kl_change = float(kl[number].mean()), float(changes[number].mean())
        row.kl_change_interval = interval(row.kl_change, float(errors[number]), -np.inf, np.inf)


def fill_metric(rows: list[Row], metrics: Statistics, samples: int, against: int, highest: float = 1.0) -> None:
    """Fill in the metric of rows, its change and the intervals of both, on paired draws.

    Args:
        rows: the unmerged model first.
        metrics: the metric (rows,) from how often each sample was drawn.
        samples: how many there are.
        against: number of the row that changes are against.
        highest: the most that the metric can be.
    """

    def with_changes(counts: np.ndarray) -> np.ndarray:
        values = metrics(counts)
        return np.stack([values, values - values[against]])

    whole = with_changes(np.ones(samples, np.int64))
    errors = standard_errors(with_changes, samples)
    for number, row in enumerate(rows):
        row.metric, row.change = (float(each) for each in whole[:, number])
        row.interval = interval(row.metric, errors[0, number], 0.0, highest)
        row.change_interval = interval(row.change, errors[1, number], -highest, highest)


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


def ratios(parts: np.ndarray, wholes: np.ndarray) -> Statistics:
    """The ratios (k,) of two sums over the samples, as errors (k, samples) by words (samples,)."""
    return lambda counts: parts @ counts / (wholes @ counts)


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
