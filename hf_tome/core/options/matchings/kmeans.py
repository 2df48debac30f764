"""k-means with as many clusters as tokens must stay (ToMe, table 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.order import falling
from hf_tome.core.ops.reference import exact, unit
from hf_tome.core.options.distance import cosine
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from hf_tome.core.options.candidates import Candidates


def kmeans(candidates: Candidates, iterations: int = 5) -> MergePlan:
    """Each cluster of the mergeable tokens becomes a token.

    The centres begin on tokens that lie evenly in the sequence. The token nearest to its centre leads its cluster. For
    every cluster that came out empty, the token farthest from its centre stays by itself, so that exactly r go.
    """
    clusters = candidates.tokens - candidates.protected - candidates.r
    points = candidates.metric[:, candidates.protected :]
    points = unit(points) if candidates.distance is cosine else exact(points)
    real = candidates.sizes[:, candidates.protected :] > 0
    centres = _take(points, _starts(real, clusters))
    for _ in range(iterations):
        _, nearest = candidates.distance(points, centres, None).max(dim=-1)
        centres = _centres(points, real, nearest, centres)
    similarity, nearest = candidates.distance(points, centres, None).max(dim=-1)
    return _plan(candidates, similarity.masked_fill(~real, -torch.inf), nearest, clusters)


def _starts(real: Tensor, clusters: int) -> Int[Tensor, "batch clusters"]:
    """Tokens evenly in the sequence; padding only where there are not enough real ones."""
    count = real.sum(dim=1, keepdim=True).clamp_min(clusters)
    step = torch.arange(clusters, device=real.device) * count // clusters
    return falling(real.to(torch.int8)).gather(1, step)


def _centres(
    points: Float[Tensor, "batch n channels"], real: Tensor, nearest: Tensor, old: Float[Tensor, "batch k channels"]
) -> Float[Tensor, "batch k channels"]:
    """The mean of the real tokens of each cluster; the old centre where it has none."""
    weights = real.to(points.dtype)[..., None]
    places = nearest[..., None].expand_as(points)
    sums = torch.zeros_like(old).scatter_add_(1, places, points * weights)
    counts = torch.zeros_like(old[..., :1]).scatter_add_(1, nearest[..., None], weights)
    return torch.where(counts > 0, sums / counts.clamp_min(1), old)


def _plan(
    candidates: Candidates, similarity: Float[Tensor, "batch n"], nearest: Int[Tensor, "batch n"], clusters: int
) -> MergePlan:
    batch, count = similarity.shape
    order = falling(similarity)
    ranks = torch.arange(count, device=order.device).expand(batch, -1)
    rank = torch.empty_like(order).scatter_(1, order, ranks)
    first = torch.full_like(order[:, :clusters], count).scatter_reduce_(1, nearest, rank, "amin")  # count: empty
    leads = torch.zeros(batch, count + 1, dtype=torch.bool, device=order.device).scatter_(1, first, True)[:, :-1]
    padding = (similarity == -torch.inf).gather(1, order)
    staying = ranks.masked_fill(padding, -1).masked_fill(leads, count)  # else the farthest: those of the last ranks
    joiners = order.gather(1, falling(staying)[:, clusters:])
    onto = order.gather(1, first.gather(1, nearest.gather(1, joiners)))
    return MergePlan.joining(joiners + candidates.protected, onto + candidates.protected, candidates.tokens)


def _take(x: Tensor, places: Int[Tensor, "batch n"]) -> Tensor:
    return x.gather(1, places[..., None].expand(-1, -1, x.shape[2]))
