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

    def fill(self, rows: list[Row], answers: list[Cell], seen: np.ndarray, against: int) -> None:
        """Drift, and the metric where there are labels."""
        predicted, agrees, drift = ([each[key] for each in answers] for key in ("predicted", "agrees", "kl"))
        fill_drift(rows, np.stack(agrees), against, np.stack(drift))
        labels = None if self.samples.labels is None else self.samples.labels[seen]
        if labels is None or not (labels.ndim == 1 or labels.any()):
            return  # or no class has a positive sample yet
        right = average_precisions(predicted, labels) if labels.ndim == 2 else means(np.stack(predicted) == labels)
        fill_metric(rows, right, len(seen), against)
