"""How redundant a token is: the energy of PiToMe (arXiv 2405.16148, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.order import falling
from hf_tome.core.ops.reference import pieces
from hf_tome.core.options.distance import cosine

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from hf_tome.core.options.candidates import Candidates

WIDEST_MARGIN = 0.9  # in the first layer; it falls to 0 behind the last


def by_energy(candidates: Candidates) -> Int[Tensor, "batch mergeable"]:
    """The mergeable tokens by falling energy. Padding comes first, so that it merges first."""
    energy = energy_of(candidates)[:, candidates.protected :]
    if candidates.padded is not None:
        energy = energy.masked_fill(candidates.padded[:, candidates.protected :], torch.inf)
    return falling(energy) + candidates.protected


def energy_of(candidates: Candidates) -> Float[Tensor, "batch tokens"]:
    """How much each token is like the mergeable ones: the mean of f(cosine) over them (equation 4, with alpha = 1).

    f(x) is x from the margin on, and exp(x - margin) - 1 below, which falls quickly to -1: tokens that are not alike
    should count against it. A token counts itself too, which adds the same to each.

    The cosines are made for some tokens at a time, so that long inputs never hold all of them.
    """
    margin = WIDEST_MARGIN * (1 - candidates.layer / candidates.layers)
    others = candidates.metric[:, candidates.protected :]
    counts = candidates.sizes[:, None, candidates.protected :] > 0 if candidates.padded is not None else None
    parts = pieces(candidates.metric, others.shape[1])
    return torch.cat([_mean_likeness(cosine(part, others), margin, counts) for part in parts], dim=1)


def _mean_likeness(cosines: Tensor, margin: float, counts: Tensor | None) -> Float[Tensor, "batch part"]:
    likeness = torch.where(cosines >= margin, cosines, torch.expm1(cosines - margin))
    if counts is None:
        return likeness.mean(dim=-1)
    return (likeness * counts).sum(dim=-1) / counts.sum(dim=-1).clamp_min(1)
