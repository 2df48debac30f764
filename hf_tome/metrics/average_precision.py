"""Mean average precision, for several labels at once (AudioSet's mAP)."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_tome.errors import ToMeValueError, complaint

RULE = "Mean average precision takes scores (samples, classes), and labels of the same shape that are 0 or 1."


class MeanAveragePrecision(evaluate.Metric):
    """The area under each class's curve of precision over recall, as a sum of steps (as in scikit-learn).

    `compute(predictions=..., references=...)` gives `mAP`, the mean over the classes that have a positive sample;
    `micro_mAP`, that of all pairs of sample and class at once; and `classes_without_positives`, how many were dropped.

    Raises:
        ToMeValueError: if the shapes differ, a score is NaN, a label is neither 0 nor 1, or no class has a positive.
    """

    def _info(self) -> evaluate.MetricInfo:
        scores, labels = datasets.Sequence(datasets.Value("float32")), datasets.Sequence(datasets.Value("int64"))
        features = datasets.Features({"predictions": scores, "references": labels})
        return evaluate.MetricInfo(
            description="Mean average precision over classes.", citation="", inputs_description=RULE, features=features
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """As `evaluate.Metric.compute`; shapes and labels are checked first."""
        if predictions is not None and references is not None:
            scores, labels = np.asarray(predictions), np.asarray(references)
            if scores.ndim != 2 or scores.shape != labels.shape or not scores.size:
                raise ToMeValueError(complaint(RULE, f"shapes {scores.shape} and {labels.shape}", "Make them alike."))
            if not np.isin(labels, (0, 1)).all():
                raise ToMeValueError(complaint(RULE, "other labels", "Round labels that were blended."))
            references = labels.astype(np.int64)
            if self.writer is None and self.num_process == 1 and not kwargs:
                return self._compute(scores.astype(np.float32), references)  # no way round by a file, which takes long
        return super().compute(predictions=predictions, references=references, **kwargs)

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:  # pyright: ignore
        scores, labels = np.asarray(predictions), np.asarray(references)
        if np.isnan(scores).any():
            row = np.flatnonzero(np.isnan(scores).any(1))[0]
            raise ToMeValueError(complaint(RULE, f"NaN in sample {row}", "Look for the overflow in the model."))
        kept = np.flatnonzero(labels.any(0))
        if not len(kept):
            raise ToMeValueError(complaint("Some class must have a positive sample.", "none", "Check the labels."))
        each = [average_precision(scores[:, number], labels[:, number]) for number in kept]
        return {
            "mAP": float(np.mean(each)),
            "micro_mAP": average_precision(scores.ravel(), labels.ravel()),
            "classes_without_positives": labels.shape[1] - len(kept),
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
