"""How far the outputs of a merged model are from those of the same model unmerged. Needs no labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

SCORED = 1024  # samples whose scores with all others are held at a time


def kl(
    logits: Float[Tensor, "batch classes"], reference: Float[Tensor, "batch classes"], several: bool = False
) -> Float[Tensor, " batch"]:
    """Kullback-Leibler divergence KL(reference || merged) of each input, in nats, computed in float64.

    It is 0 where both give the same probabilities: what it costs, on average, to take the merged model's probabilities
    for those of the unmerged one.

    Args:
        logits: of the merged model.
        reference: of the unmerged model.
        several: each class has a probability of its own (sigmoid; several labels an input). The divergences of the
            classes are added up.

    Raises:
        ToMeValueError: if the shapes differ.
    """
    _alike(logits, reference)
    logits, reference = logits.double(), reference.double()
    if not several:
        return F.kl_div(logits.log_softmax(-1), reference.log_softmax(-1), reduction="none", log_target=True).sum(-1)
    yes = F.kl_div(F.logsigmoid(logits), F.logsigmoid(reference), reduction="none", log_target=True)
    no = F.kl_div(F.logsigmoid(-logits), F.logsigmoid(-reference), reduction="none", log_target=True)
    return (yes + no).sum(-1)


def agreement(
    logits: Float[Tensor, "batch classes"], reference: Float[Tensor, "batch classes"]
) -> Bool[Tensor, " batch"]:
    """Whether both models put the same class first, for each input. The mean over a data set is the agreement.

    Raises:
        ToMeValueError: if the shapes differ.
    """
    _alike(logits, reference)
    return logits.argmax(-1) == reference.argmax(-1)


def nearest(features: Float[Tensor, "samples width"], count: int) -> Int[Tensor, "samples count"]:
    """The other samples that are most alike by the cosine, the most alike first; all of them where there are fewer.

    A single sample has itself alone.
    """
    unit, found = F.normalize(features, dim=-1), []
    for start in range(0, len(unit), SCORED):
        scores = unit[start : start + SCORED] @ unit.T
        scores.diagonal(start).fill_(-torch.inf)  # its own
        found.append(scores.topk(max(1, min(count, len(unit) - 1))).indices)
    return torch.cat(found)


def kept(near: Int[Tensor, "samples count"], reference: Int[Tensor, "samples count"]) -> Float[Tensor, " samples"]:
    """The share of each sample's nearest by the unmerged model that are so by the merged one: the recall of these.

    Args:
        near: as `nearest` finds them in the features of the merged model.
        reference: in those of the unmerged one.
    """
    return (reference[:, :, None] == near[:, None]).any(-1).double().mean(-1)


def _alike(logits: Tensor, reference: Tensor) -> None:
    if logits.ndim != 2 or logits.shape != reference.shape:
        rule = "Both models give logits (batch, classes) for the same inputs."
        got = f"shapes {tuple(logits.shape)} and {tuple(reference.shape)}"
        raise ToMeValueError(complaint(rule, got, "Run both on one batch."))
