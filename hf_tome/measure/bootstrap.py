"""How sure a metric is, by the bootstrap (Efron 1979): the samples drawn anew, with replacement, many times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_tome.metrics.ranking import Ranking

RESAMPLES = 200  # enough for a standard error (Efron and Tibshirani 1993, section 6.4); quantiles would need more
NORMAL = 1.959964  # standard errors on both sides that hold 95 %

Interval = tuple[float, float]


def standard_errors(
    statistics: Callable[[np.ndarray], np.ndarray], samples: int, resamples: int = RESAMPLES, seed: int = 0
) -> np.ndarray:
    """Standard errors (k,) of several statistics of the same samples, all on the same draws.

    Args:
        statistics: from how often each sample was drawn, (samples,), to the values (k,).
        samples: how many there are.
        resamples: how many times they are drawn.
        seed: draws them; the same seed gives the same errors.
    """
    chance = np.random.default_rng(seed)
    drawn = (np.bincount(chance.integers(samples, size=samples), minlength=samples) for _ in range(resamples))
    return np.std([statistics(counts) for counts in drawn], axis=0, ddof=1)


def means(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The means (k,) of `values` (k, samples), as a function of the draws; of what is correct, the accuracies."""
    return lambda counts: values @ counts / counts.sum()


def average_precisions(scores: list[np.ndarray], labels: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
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
