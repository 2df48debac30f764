"""Top-1 and top-5 accuracy."""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from hf_tome.errors import ToMeValueError, complaint

RULE = (
    "Accuracy takes scores (samples, classes) or class numbers (samples,), and class numbers (samples,) as references."
)


class Accuracy(evaluate.Metric):
    """Share of the samples whose class is the one of the highest score, or among the five highest.

    `compute(predictions=..., references=...)` gives `accuracy`, and `top5_accuracy` where there are scores of more than
    five classes. `predictions` are scores (samples, classes), of which equal ones count in the order of their classes,
    or class numbers (samples,); `references` are class numbers (samples,).

    Raises:
        ToMeValueError: if there is no sample, a score is no number, or a reference is no class.
    """

    def _info(self) -> evaluate.MetricInfo:
        label = datasets.Value("int64")
        scores = datasets.Sequence(datasets.Value("float32"))
        return evaluate.MetricInfo(
            description="Top-1 and top-5 accuracy.",
            citation="",
            inputs_description=RULE,
            features=[
                datasets.Features({"predictions": scores, "references": label}),
                datasets.Features({"predictions": label, "references": label}),
            ],
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """As `evaluate.Metric.compute`; shapes are checked first."""
        if predictions is not None and references is not None:
            shapes = np.shape(predictions), np.shape(references)
            if len(shapes[0]) not in (1, 2) or len(shapes[1]) != 1 or shapes[0][:1] != shapes[1] or not shapes[1][0]:
                cure = "Pass as many of the one as of the other, at least one."
                raise ToMeValueError(complaint(RULE, f"shapes {shapes[0]} and {shapes[1]}", cure))
        return super().compute(predictions=predictions, references=references, **kwargs)

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:  # pyright: ignore
        predictions, references = np.asarray(predictions), np.asarray(references)
        if not len(references):
            raise ToMeValueError(complaint(RULE, "no sample", "Add some before compute()."))
        if predictions.ndim == 1:
            return {"accuracy": float((predictions == references).mean())}
        ranks = _ranks(predictions, references)
        found = {"accuracy": float((ranks < 1).mean())}
        return found | ({"top5_accuracy": float((ranks < 5).mean())} if predictions.shape[1] > 5 else {})


def _ranks(scores: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(samples,): how many classes come before the right one."""
    classes = scores.shape[1]
    if np.isnan(scores).any():
        rows = np.flatnonzero(np.isnan(scores).any(1))
        raise ToMeValueError(complaint(RULE, f"NaN in sample {rows[0]}", "Look for the overflow in the model."))
    if references.min() < 0 or references.max() >= classes:
        wrong = references[(references < 0) | (references >= classes)][0]
        cure = "Number the classes from 0, and give the model a score for each."
        raise ToMeValueError(complaint(RULE, f"reference {wrong} with {classes} classes", cure))
    right = np.take_along_axis(scores, references[:, None], 1)
    earlier = (scores == right) & (np.arange(classes) < references[:, None])
    return ((scores > right) | earlier).sum(1)
