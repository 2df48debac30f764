"""Retrieval: which caption belongs to an image, and which image to a caption."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from hf_tome.core.drift import agreement, kl
from hf_tome.data.samples import samples_with_texts
from hf_tome.measure.row import Row
from hf_tome.measure.statistics import fill_drift, fill_metric, means
from hf_tome.measure.store import Cell
from hf_tome.measure.tasks.task import Task

DEEP = 5  # the second recall: among so many


class Retrieval(Task):
    """Images and their captions, found by each other. The answers are embeddings of images (batch, width).

    The metric is the recall of captions: images whose nearest caption is one of theirs. Captions are embedded once; no
    layer of the text encoder merges.
    """

    find = staticmethod(samples_with_texts)

    @property
    def metric(self) -> str | None:
        """The recall of captions by images."""
        return "text R@1"

    @cached_property
    def owners(self) -> np.ndarray:
        """(captions,): the number of each one's image."""
        return np.repeat(np.arange(self.samples.count), [len(texts) for texts in self.samples.said])

    @cached_property
    def texts(self) -> list[str]:
        """All captions."""
        return [str(text) for texts in self.samples.said for text in texts]

    @cached_property
    def captions(self) -> Tensor:
        """(captions, width), of length 1."""
        return self.encoder.embed_texts(self.texts)

    def cell(self, output: Tensor, unmerged: Tensor) -> Cell:
        """The embeddings, and the drift of the scores of all captions."""
        scale = self.encoder.model.logit_scale.detach().exp()
        logits, reference = ((each @ self.captions.T * scale).float().cpu() for each in (output, unmerged))
        return {
            "embedding": output.float().cpu().numpy(),
            "agrees": agreement(logits, reference).numpy(),
            "kl": kl(logits, reference).numpy(),
        }

    def words(self, answers: Cell) -> list[str]:
        """The nearest caption."""
        nearest = torch.from_numpy(answers["embedding"]) @ self.captions.T.float().cpu()
        return [self.texts[number] for number in nearest.argmax(-1).tolist()]

    def fill(self, rows: list[Row], answers: list[Cell], seen: np.ndarray, against: int) -> None:
        """Drift and recalls, among the images seen and their captions."""
        agrees, drift = (np.stack([each[key] for each in answers]) for key in ("agrees", "kl"))
        fill_drift(rows, agrees, against, drift)
        place = {number: row for row, number in enumerate(seen.tolist())}
        kept = np.isin(self.owners, seen)
        owners = torch.tensor([place[number] for number in self.owners[kept].tolist()])
        captions = self.captions.float().cpu()[torch.from_numpy(kept)]
        found = [ranks(torch.from_numpy(each["embedding"]), captions, owners) for each in answers]
        fill_metric(rows, means(np.stack([images.numpy() < 1 for images, _ in found])), len(seen), against)
        for row, (images, texts) in zip(rows, found, strict=True):
            row.more = {
                f"text R@{DEEP}": (images < DEEP).double().mean().item(),
                "image R@1": (texts < 1).double().mean().item(),
                f"image R@{DEEP}": (texts < DEEP).double().mean().item(),
            }


def ranks(images: Tensor, captions: Tensor, owners: Tensor) -> tuple[Tensor, Tensor]:
    """How many come before the right one, for each image and for each caption; of equal scores the right one is last.

    Args:
        images: (images, width)
        captions: (captions, width)
        owners: (captions,) the image of each caption; every image has one.

    Returns:
        (images,), of its best caption, and (captions,).
    """
    scores = images @ captions.T  # (images, captions)
    own = owners == torch.arange(len(images))[:, None]
    best = scores.masked_fill(~own, -torch.inf).amax(1)
    of_caption = scores[owners, torch.arange(len(owners))]
    before = ((scores >= best[:, None]) & ~own).sum(1)
    return before, (scores >= of_caption).sum(0) - 1
