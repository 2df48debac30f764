"""Bipartite soft matching: which tokens merge (ToMe, section 3 and appendix D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops import fused, small
from hf_tome.core.options.distance import outside_autocast, unit
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

# Cosines lie in [-1, 1]. A padded source must come before every real edge, a padded destination after every one.
FIRST, LAST = 2.0, -2.0

# How many scores of a sample are held at a time: 16 MiB in float32. Up to 4,096 tokens are matched in one go; beyond,
# the scores take no more room than a few channels of the tokens themselves.
MOST_SCORES = 2**22


def max_merge(tokens: int, protected: int) -> int:
    """The most tokens that one matching can remove: half of the mergeable ones, rounded down."""
    return max(0, (tokens - protected) // 2)


def match_bipartite(
    metric: Float[Tensor, "batch tokens channels"],
    r: int,
    protected: int = 0,
    padded: Bool[Tensor, "batch tokens"] | None = None,
) -> MergePlan | None:
    """Plan the merge of the r most similar pairs between every other token and its best match.

    The tokens are split by turns: even positions are sources, odd positions are destinations. Each source proposes its
    most similar destination (cosine); the r best proposals are merged. A destination can take in several sources.

    The order after the merge is: the protected tokens; the sources that stay; the destinations. The sources are in
    index order where there is a protected token, and by falling similarity where there is none.

    Args:
        metric: what similarity is measured on; in ToMe the keys, averaged over the heads. Any float dtype.
        r: how many tokens to remove; capped at `max_merge(tokens, protected)`.
        protected: how many tokens at the front never merge (class, distillation, register tokens).
        padded: True where a token is padding. Padding merges first, and real tokens avoid it.

    Returns:
        The plan, with tokens - r groups, or None if nothing is to be merged. No gradient flows through it.
    """
    batch, tokens, _ = metric.shape
    r = min(r, max_merge(tokens, protected))
    if r <= 0:
        return None
    metric = metric.detach()
    if fused.fits(metric):
        return MergePlan(*fused.match(metric, r, protected, padded))
    if small.fits_match(metric):
        return MergePlan(*small.match(metric, r, protected, padded))
    first_source, first_destination = protected + protected % 2, protected + 1 - protected % 2
    compared, padding = unit(metric), None
    if padded is not None:
        padding = padded[:, first_source::2], padded[:, first_destination::2]
    similarity, best = _propose(compared[:, first_source::2], compared[:, first_destination::2], padding)
    # stable: equal similarities are taken in index order, on every device
    order = similarity.sort(dim=-1, descending=True, stable=True).indices
    joining, kept = order[:, :r], order[:, r:]
    targets = best.gather(1, joining).add_(protected + kept.shape[1])
    if protected:
        kept = kept.sort(dim=-1).values
    place = torch.arange(tokens, device=metric.device).expand(batch, -1)
    source, destinations = place[:, first_source::2], place[:, first_destination::2]
    leaders = torch.cat([place[:, :protected], source.gather(1, kept), destinations], dim=1)
    return MergePlan(leaders, source.gather(1, joining), targets)


def _propose(
    sources: Float[Tensor, "batch sources channels"],
    destinations: Float[Tensor, "batch destinations channels"],
    padding: tuple[Bool[Tensor, "batch sources"], Bool[Tensor, "batch destinations"]] | None,
) -> tuple[Float[Tensor, "batch sources"], Int[Tensor, "batch sources"]]:
    """The similarity of each source to its best destination, and which that is.

    The scores are made for some sources at a time, so that long inputs never hold all of them.
    """
    step = max(1, MOST_SCORES // max(1, destinations.shape[1]))
    if sources.shape[1] <= step:
        return _best(sources, destinations, padding)
    similarities, places = [], []
    for start in range(0, sources.shape[1], step):
        part = slice(start, start + step)
        masks = None if padding is None else (padding[0][:, part], padding[1])
        similarity, best = _best(sources[:, part], destinations, masks)
        similarities.append(similarity)
        places.append(best)
    return torch.cat(similarities, dim=1), torch.cat(places, dim=1)


def _best(sources: Tensor, destinations: Tensor, padding: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """`_propose` in one go."""
    with outside_autocast(sources.device.type):
        scores = torch.bmm(sources, destinations.mT)  # (batch, sources, destinations)
    if padding is not None:
        scores = scores.masked_fill(padding[1][:, None], LAST).masked_fill(padding[0][:, :, None], FIRST)
    similarity, best = scores.max(dim=-1)
    return similarity, best
