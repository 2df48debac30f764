"""Mean average precision, for several labels at once (AudioSet's mAP)."""

from __future__ import annotations

import datasets
import numpy as np

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.metrics.checked import CheckedMetric
from hf_tome.metrics.ranking import Ranking

RULE = "Mean average precision takes scores (samples, classes), and labels of the same shape that are 0 or 1."
ROWS = datasets.Sequence(datasets.Value("float64"))  # of labels too, to show where one is neither 0 nor 1


class MeanAveragePrecision(CheckedMetric):
    """The area under each class's curve of precision over recall, as a sum of steps (as in scikit-learn).

    `compute(predictions=..., references=...)` gives `mAP`, the mean over the classes that have a positive sample;
    `micro_mAP`, that of all pairs of sample and class at once; and `classes_without_positives`, how many were dropped.

    Raises:
        ToMeValueError: if the shapes differ, a score is NaN, a label is neither 0 nor 1, or no class has a positive.
    """

    rule = RULE
    inputs = ({"predictions": ROWS, "references": ROWS},)

    def check(self, predictions: np.ndarray, references: np.ndarray) -> None:
        if predictions.ndim != 2 or predictions.shape != references.shape:
            got = f"shapes {predictions.shape} and {references.shape}"
            raise ToMeValueError(complaint(RULE, got, "Make them alike."))
        wrong = references[(references != 0) & (references != 1)]
        if wrong.size:
            raise ToMeValueError(complaint(RULE, f"the label {wrong[0]}", "Round labels that were blended."))

    def score(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        kept = np.flatnonzero(references.any(0))
        if not len(kept):
            raise ToMeValueError(complaint("Some class must have a positive sample.", "none", "Check the labels."))
        each = [_precision(predictions[:, number], references[:, number]) for number in kept]
        return {
            "mAP": float(np.mean(each)),
            "micro_mAP": _precision(predictions.ravel(), references.ravel()),
            "classes_without_positives": references.shape[1] - len(kept),
        }


def _precision(scores: np.ndarray, labels: np.ndarray) -> float:
    return Ranking(scores, labels).precision(np.ones(len(labels)))
