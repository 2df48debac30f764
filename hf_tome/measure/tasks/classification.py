"""Classification, zero-shot too: accuracy, or mean average precision where samples have several labels."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from hf_tome.core.drift import agreement, kl
from hf_tome.data.samples import samples_of
from hf_tome.measure.row import Row
from hf_tome.measure.statistics import average_precisions, fill_drift, fill_metric, means
from hf_tome.measure.store import Cell
from hf_tome.measure.tasks.task import Task


class Classification(Task):
    """Which class, or which classes, a sample is of. The answers are logits (batch, classes)."""

    find = staticmethod(samples_of)

    @property
    def metric(self) -> str | None:
        """By the labels."""
        return None if self.samples.labels is None else "mAP" if self.samples.several else "accuracy"

    def cell(self, output: Tensor, unmerged: Tensor) -> Cell:
        """The predicted classes (samples,), or scores (samples, classes) where samples have several; the drift."""
        logits, reference = output.float().cpu(), unmerged.float().cpu()
        several = self.samples.several
        return {
            "predicted": (logits if several else logits.argmax(-1)).numpy(),
            "agrees": agreement(logits, reference).numpy(),
            "kl": kl(logits, reference, several).numpy(),
        }

    def words(self, answers: Cell) -> list[str]:
        """The class with the highest score."""
        best = answers["predicted"]
        names = {number: name for name, number in self.encoder.classes}
        return [names[number] for number in (best if best.ndim == 1 else best.argmax(-1)).tolist()]

    def fill(self, rows: list[Row], answers: list[Cell], seen: np.ndarray, against: int) -> None:
        """Drift, and the metric where there are labels."""
        predicted, agrees, drift = ([each[key] for each in answers] for key in ("predicted", "agrees", "kl"))
        fill_drift(rows, np.stack(agrees), against, np.stack(drift))
        labels = None if self.samples.labels is None else self.samples.labels[seen]
        if labels is None or not (labels.ndim == 1 or labels.any()):
            return  # or no class has a positive sample yet
        right = average_precisions(predicted, labels) if labels.ndim == 2 else means(np.stack(predicted) == labels)
        fill_metric(rows, right, len(seen), against)
        for row, each in zip(rows, predicted, strict=True):
            row.more = class_scores(each, labels)


def class_scores(predicted: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Means over classes: F1 and, with one label a sample, the recall, which is called balanced accuracy.

    Args:
        predicted: class numbers (samples,), or scores (samples, classes), of which those above 0 say yes.
        labels: class numbers (samples,), or 0 and 1 (samples, classes).
    """
    if labels.ndim == 2:
        yes = predicted > 0
        hits, true, said = (yes & (labels == 1)).sum(0), labels.sum(0), yes.sum(0)
    else:
        most = int(max(predicted.max(), labels.max())) + 1
        parts = labels[predicted == labels], labels, predicted
        hits, true, said = (np.bincount(part, minlength=most) for part in parts)
    met, there = true + said > 0, true > 0
    scores = {"F1": float((2 * hits[met] / (true + said)[met]).mean())}
    return scores if labels.ndim == 2 else {**scores, "balanced accuracy": float((hits[there] / true[there]).mean())}
