"""Bipartite soft matching, with any partition and distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops import reference
from hf_tome.core.ops.order import falling
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Int

    from hf_tome.core.options.candidates import Candidates

K = 4


def bipartite(candidates: Candidates) -> MergePlan:
    """Each source proposes its most similar destination; the r best proposals merge (ToMe, section 3).

    With the paper's partition and distance, `core.ops.decide` computes this.
    """
    return best_proposals(candidates, *candidates.partition(candidates))


def kth(candidates: Candidates) -> MergePlan:
    """Bipartite soft matching in which every 4th token is a destination, and all others are sources.

    More tokens can propose than in halves, and fewer can be proposed to.
    """
    place = candidates.places[candidates.protected :]
    destination = torch.arange(len(place), device=place.device) % K == min(K, len(place)) - 1
    order = falling((~destination).to(torch.int8))
    count = (len(place) - min(K, len(place))) // K + 1
    return best_proposals(candidates, place[order[:-count]], place[order[-count:]])


def best_proposals(
    candidates: Candidates, sources: Int[Tensor, "*batch sources"], destinations: Int[Tensor, "*batch destinations"]
) -> MergePlan:
    """The r best proposals of the sources. The order after the merge is that of `core.ops.decide`."""
    sources, destinations = candidates.rows(sources), candidates.rows(destinations)
    similarity, best = candidates.nearest(sources, destinations)
    return MergePlan(*reference.select(similarity, best, sources, destinations, candidates.r, candidates.protected))
