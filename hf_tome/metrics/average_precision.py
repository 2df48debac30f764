"""Mean average precision, for several labels at once (AudioSet's mAP)."""

from __future__ import annotations

import datasets
import evaluate
import numpy as np

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.metrics.checked import CheckedMetric

RULE = "Mean average precision takes scores (samples, classes), and labels of the same shape that are 0 or 1."


class MeanAveragePrecision(CheckedMetric):
    """The area under each class's curve of precision over recall, as a sum of steps (as in scikit-learn).

    `compute(predictions=..., references=...)` gives `mAP`, the mean over the classes that have a positive sample;
    `micro_mAP`, that of all pairs of sample and class at once; and `classes_without_positives`, how many were dropped.

    Raises:
        ToMeValueError: if the shapes differ, a score is NaN, a label is neither 0 nor 1, or no class has a positive.
    """

    rule = RULE

    def _info(self) -> evaluate.MetricInfo:
        rows = datasets.Sequence(datasets.Value("float64"))  # of labels too, to show where one is neither 0 nor 1
        features = datasets.Features({"predictions": rows, "references": rows})
        return evaluate.MetricInfo(
            description="Mean average precision over classes.", citation="", inputs_description=RULE, features=features
        )

    def check(self, predictions: np.ndarray, references: np.ndarray) -> None:
        """Refuse shapes that differ, and labels that are none."""
        if predictions.ndim != 2 or predictions.shape != references.shape:
            got = f"shapes {predictions.shape} and {references.shape}"
            raise ToMeValueError(complaint(RULE, got, "Make them alike."))
        wrong = references[(references != 0) & (references != 1)]
        if wrong.size:
            raise ToMeValueError(complaint(RULE, f"the label {wrong[0]}", "Round labels that were blended."))

    def score(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """Macro and micro mean."""
        kept = np.flatnonzero(references.any(0))
        if not len(kept):
            raise ToMeValueError(complaint("Some class must have a positive sample.", "none", "Check the labels."))
        each = [average_precision(predictions[:, number], references[:, number]) for number in kept]
        return {
            "mAP": float(np.mean(each)),
            "micro_mAP": average_precision(predictions.ravel(), references.ravel()),
            "classes_without_positives": references.shape[1] - len(kept),
        }


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Sum of (recall step) * precision over falling thresholds; equal scores are one threshold.

    Only thresholds at a positive sample add to the sum. So values are sorted, which is several times faster than
    ranking the samples.

    Args:
        scores: (samples,)
        labels: (samples,) of 0 and 1, at least one 1.
    """
    ranked, positives = np.sort(scores), np.sort(scores[labels == 1])
    thresholds, steps = np.unique(positives, return_counts=True)
    above = len(ranked) - np.searchsorted(ranked, thresholds)  # samples at or above each threshold
    found = len(positives) - np.searchsorted(positives, thresholds)
    return float((steps * found / above).sum() / len(positives))
