"""Top-1 and top-5 accuracy."""

from __future__ import annotations

import datasets
import numpy as np

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.metrics.checked import CheckedMetric

RULE = "Accuracy takes scores (samples, classes) or class numbers (samples,), and references (samples,)."
NUMBER = datasets.Value("float64")  # holds class numbers too, and shows where one is no whole number


class Accuracy(CheckedMetric):
    """Share of the samples whose class is the one of the highest score, or among the five highest.

    `compute(predictions=..., references=...)` gives `accuracy`, and `top5_accuracy` where there are scores of more than
    five classes. `predictions` are scores (samples, classes), of which equal ones count in the order of their classes,
    or class numbers (samples,); `references` are class numbers (samples,).

    Raises:
        ToMeValueError: if the shapes differ, there is no sample, a score is no number, or a reference is no class.
    """

    rule = RULE
    inputs = (
        {"predictions": datasets.Sequence(NUMBER), "references": NUMBER},
        {"predictions": NUMBER, "references": NUMBER},
    )

    def check(self, predictions: np.ndarray, references: np.ndarray) -> None:
        if predictions.ndim > 2 or references.ndim != 1:
            got = f"shapes {predictions.shape} and {references.shape}"
            raise ToMeValueError(complaint(RULE, got, "Leave out further axes."))
        classes = predictions.shape[1] if predictions.ndim == 2 else np.inf
        for name, numbers in (("reference", references), ("prediction", predictions)):
            if numbers.ndim == 2:
                continue
            fits = (numbers >= 0) & (numbers < classes) & (numbers % 1 == 0)
            if not fits.all():
                got = f"{name} {numbers[~fits][0]}" + (f" with {classes} classes" if classes < np.inf else "")
                cure = "Number the classes from 0, and give the model a score for each."
                raise ToMeValueError(complaint(RULE, got, cure))

    def score(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        if predictions.ndim == 1:
            return {"accuracy": float((predictions == references).mean())}
        ranks = _ranks(predictions, references.astype(np.int64))
        tops = {"accuracy": 1, "top5_accuracy": 5} if predictions.shape[1] > 5 else {"accuracy": 1}
        return {name: float((ranks < top).mean()) for name, top in tops.items()}


def _ranks(scores: np.ndarray, references: np.ndarray) -> np.ndarray:
    """(samples,): how many classes come before the right one."""
    right = np.take_along_axis(scores, references[:, None], 1)
    earlier = (scores == right) & (np.arange(scores.shape[1]) < references[:, None])
    return ((scores > right) | earlier).sum(1)
