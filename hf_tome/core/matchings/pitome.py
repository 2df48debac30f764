"""Energy-based matching that protects what is informative (PiToMe, arXiv 2405.16148, section 3.2; from its text)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Float

    from hf_tome.core.given import Given

WIDEST_MARGIN = 0.9  # in the first layer; it falls to 0 behind the last


def pitome(given: Given) -> MergePlan:
    """Only the 2 r tokens of the highest energy may merge. By turns they are sources and destinations; all r merge.

    The paper compares whole keys, which is `heads="concat"`.
    """
    padded = given.padded
    energy = _energy(given)
    if padded is not None:
        energy = energy.masked_fill(padded, torch.inf)  # padding goes first
    energy = energy.masked_fill(given.places < given.protected, -torch.inf)
    order = energy.argsort(dim=1, descending=True, stable=True)[:, : 2 * given.r]
    sources, destinations = order[:, ::2], order[:, 1::2]
    _, best = given.nearest(sources, destinations)
    return MergePlan.joining(sources, destinations.gather(1, best), given.tokens)


def _energy(given: Given) -> Float[Tensor, "batch tokens"]:
    """How much each token is like the others: the mean of f(cosine) over them (PiToMe, equation 4, with alpha = 1).

    f(x) is x from the margin on, and exp(x - margin) - 1 below, which falls quickly to -1: tokens that are not alike
    should count against it. A token counts itself too, which adds the same to each. Holds all scores.
    """
    margin = WIDEST_MARGIN * (1 - given.layer / given.layers)
    cosines = given.distance(given.metric, given.metric, None)  # (batch, tokens, tokens)
    likeness = torch.where(cosines >= margin, cosines, torch.expm1(cosines - margin))
    counts = given.sizes[:, None, :] > 0 if given.padded is not None else torch.ones_like(likeness, dtype=torch.bool)
    counts = counts & (given.places >= given.protected)
    return (likeness * counts).sum(dim=-1) / counts.sum(dim=-1).clamp_min(1)
