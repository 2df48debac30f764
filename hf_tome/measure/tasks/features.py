"""Features without a head: which samples are alike, and what a linear probe reads in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from hf_tome.core.drift import kept, nearest
from hf_tome.data.samples import samples_with_classes
from hf_tome.measure.probe import can_probe, linear_probe
from hf_tome.measure.row import Row
from hf_tome.measure.statistics import fill_drift, fill_metric, means
from hf_tome.measure.store import Cell
from hf_tome.measure.tasks.task import Task

FIRST, FEW = "neighbour R@1", "neighbour R@5"


class Features(Task):
    """What an encoder is used for. The answers are pooled features, (width,) of each sample.

    Neighbours need no labels: of the 1 and 5 samples that are nearest to each by the unmerged features, the share that
    is so by a variant's own. With labels, a linear probe is fitted on the unmerged features of every other sample, and
    judged on a variant's features of the rest.
    """

    find = staticmethod(samples_with_classes)

    @property
    def probes(self) -> bool:
        """Whether there are labels enough for a probe."""
        return self.samples.labels is not None and can_probe(self.samples.labels[::2])

    @property
    def metric(self) -> str | None:
        """Accuracy of the probe; without labels the first of the recalls."""
        return "probe accuracy" if self.probes else FIRST

    def cell(self, output: Any, unmerged: Any) -> Cell:
        """The features, and their cosine with the unmerged ones."""
        features, plain = (torch.stack(each).float().cpu() for each in (output, unmerged))
        return {"features": features.numpy(), "cosine": cosine_similarity(features, plain, dim=-1).numpy()}

    def words(self, answers: Cell) -> list[str]:
        """The nearest sample."""
        found = nearest(torch.from_numpy(answers["features"]), 1)
        return [self.samples.path(int(answers["index"][each])) for row in found.tolist() for each in row]

    def fill(self, rows: list[Row], answers: list[Cell], seen: np.ndarray, against: int) -> None:
        """Recalls of neighbours among the samples seen, and the probe where there are labels."""
        near = [nearest(torch.from_numpy(each["features"]), 5) for each in answers]
        first = np.stack([kept(each[:, :1], near[0][:, :1]).numpy() for each in near])
        for row, each, cell, same in zip(rows, near, answers, first, strict=True):
            row.more = {FEW: kept(each, near[0]).mean().item(), "cosine": float(cell["cosine"].mean())}
            row.more = {FIRST: float(same.mean()), **row.more} if self.probes else row.more
        fill_drift(rows, first == 1, against)
        if self.probes:
            self._probe(rows, [each["features"] for each in answers], seen, against)
        else:
            fill_metric(rows, means(first), len(seen), against)

    def _probe(self, rows: list[Row], features: list[np.ndarray], seen: np.ndarray, against: int) -> None:
        assert self.samples.labels is not None
        labels, fitted = self.samples.labels[seen], seen % 2 == 0
        if fitted.all() or not can_probe(labels[fitted]):
            return  # so soon after an interruption
        probe = linear_probe(features[0][fitted], labels[fitted])
        told = np.stack([probe.predict(each[~fitted]) for each in features])
        fill_drift(rows, told == told[0], against)
        fill_metric(rows, means(told == labels[~fitted]), int((~fitted).sum()), against)
