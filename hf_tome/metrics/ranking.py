"""Average precision of one class, whose samples are ranked once and may then be drawn several times."""

from __future__ import annotations

import numpy as np


class Ranking:
    """Samples in the order of their scores; equal scores are one threshold, as in scikit-learn.

    Args:
        scores: (samples,)
        labels: (samples,) of 0 and 1, at least one 1.
    """

    def __init__(self, scores: np.ndarray, labels: np.ndarray) -> None:
        self._order = np.argsort(-scores)
        falling = -scores[self._order]
        self._positives = self._order[labels[self._order] == 1]
        own = -scores[self._positives]
        self._above = np.searchsorted(falling, own, side="right") - 1  # the last place with the score of each positive
        self._found = np.searchsorted(own, own, side="right") - 1  # the same among the positives

    def precision(self, counts: np.ndarray) -> float:
        """Sum of (recall step) * precision, with `counts[i]` copies of sample i; NaN without a positive one."""
        weights = counts[self._positives]
        if not weights.any():
            return float("nan")
        above, found = np.cumsum(counts[self._order])[self._above], np.cumsum(weights)[self._found]
        return float((weights * found / np.maximum(above, 1)).sum() / weights.sum())
