"""Bipartite soft matching, with any partition and distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.matching import match_bipartite
from hf_tome.core.options.distance import cosine
from hf_tome.core.options.partition import alternating
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Int

    from hf_tome.core.options.candidates import Given

K = 4


def bipartite(given: Given) -> MergePlan | None:
    """Each source proposes its most similar destination; the r best proposals merge (ToMe, section 3)."""
    if given.distance is cosine and given.partition is alternating:
        return match_bipartite(given.metric, given.r, given.protected, given.padded)
    return best_proposals(given, *given.partition(given))


def kth(given: Given) -> MergePlan:
    """Bipartite soft matching in which every 4th token is a destination, and all others are sources.

    More tokens can propose than in halves, and fewer can be proposed to.
    """
    place = given.places[given.protected :]
    destination = torch.arange(len(place), device=place.device) % K == min(K, len(place)) - 1
    order = destination.to(torch.int8).argsort(stable=True)
    count = (len(place) - min(K, len(place))) // K + 1
    return best_proposals(given, place[order[:-count]], place[order[-count:]])


def best_proposals(
    given: Given, sources: Int[Tensor, "*batch sources"], destinations: Int[Tensor, "*batch destinations"]
) -> MergePlan:
    """The r best proposals of the sources. The order after the merge is that of `match_bipartite`."""
    front, sources, destinations = map(given.rows, (given.places[: given.protected], sources, destinations))
    similarity, best = given.nearest(sources, destinations)
    order = similarity.argsort(dim=-1, descending=True, stable=True)
    joining, staying = order[:, : given.r], order[:, given.r :]
    kept = sources.gather(1, staying.sort(dim=-1).values if given.protected else staying)
    leaders = torch.cat([front, kept, destinations], dim=1)
    return MergePlan(leaders, sources.gather(1, joining), best.gather(1, joining) + given.protected + kept.shape[1])
