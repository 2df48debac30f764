"""The samples of one class, ranked once, so that its average precision is cheap for any draw of them."""

from __future__ import annotations

import numpy as np


class Ranking:
    """Average precision of samples that count several times, or not at all.

    Args:
        scores: (samples,)
        labels: (samples,) of 0 and 1, at least one 1.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray) -> None:
        self._order = np.argsort(-scores)
        ranked, positive = scores[self._order], labels[self._order] == 1
        self._positives = self._order[positive]
        # of each positive: the last place in the ranking, and among the positives, that has its score
        self._ends = len(ranked) - 1 - np.searchsorted(ranked[::-1], ranked[positive])
        self._own = len(self._positives) - 1 - np.searchsorted(ranked[positive][::-1], ranked[positive])

    def precision(self, counts: np.ndarray) -> float:
        """Average precision where sample i is there `counts[i]` times; NaN if no positive one is there."""
        weights = counts[self._positives]
        if not weights.any():
            return float("nan")
        above = np.cumsum(counts[self._order])[self._ends]
        found = np.cumsum(weights)[self._own]
        return float((weights * found / np.maximum(above, 1)).sum() / weights.sum())
