"""A linear probe: what a straight line through features tells of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hf_tome.errors import extra

if TYPE_CHECKING:
    from sklearn.model_selection import GridSearchCV

PENALTIES = (1e-3, 1e-2, 1e-1)  # scikit-learn's C
APART = 5  # every fifth sample judges the penalties


def can_probe(labels: np.ndarray) -> bool:
    """Whether there are samples enough, of two classes or more."""
    return len(labels) >= APART and len(np.unique(labels[~_apart(labels)])) > 1


def linear_probe(features: np.ndarray, labels: np.ndarray) -> GridSearchCV:
    """Logistic regression on standardised features, fitted on all samples.

    Args:
        features: (samples, width).
        labels: (samples,) class numbers of which `can_probe` is true.

    Returns:
        The probe at the penalty with the best accuracy on every fifth sample, fitted on the others: `best_score_`.

    Raises:
        MissingExtraError: without the extra [eval].
    """
    with extra("eval", "fit a linear probe"):
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    line = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    parts = [(np.flatnonzero(~_apart(labels)), np.flatnonzero(_apart(labels)))]
    return GridSearchCV(line, {"logisticregression__C": PENALTIES}, cv=parts).fit(features, labels)


def _apart(labels: np.ndarray) -> np.ndarray:
    return np.arange(len(labels)) % APART == APART - 1
