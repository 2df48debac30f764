"""Bipartite soft matching: which tokens merge (ToMe, section 3 and appendix D)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

# Cosines lie in [-1, 1]. A padded source must come before every real edge, a padded destination after every one, and
# a protected token after both, so that it is never among the r best.
FIRST, LAST, NEVER = 2.0, -2.0, float("-inf")


def max_merge(tokens: int, protected: int) -> int:
    """The most tokens that one matching can remove: half of the mergeable ones, rounded down."""
    return max(0, (tokens - protected) // 2)


@torch.no_grad()
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
    similarity, best = propose(metric, protected, padded).max(dim=-1)  # (batch, sources)
    # stable: equal similarities are taken in index order, on every device
    order = similarity.argsort(dim=-1, descending=True, stable=True)
    merged, kept = order[:, :r], order[:, r:]
    if protected:
        kept = kept.sort(dim=-1).values
    return MergePlan(_groups(merged, kept, best.gather(1, merged), tokens, protected), tokens - r)


def propose(
    metric: Float[Tensor, "batch tokens channels"], protected: int, padded: Bool[Tensor, "batch tokens"] | None
) -> Float[Tensor, "batch sources destinations"]:
    """The similarity of each source to each destination, with protected and padded tokens out of the contest."""
    # at least float32 whatever the model's dtype: bf16 similarities tie by the dozen
    exact = metric if metric.dtype == torch.float64 else metric.float()
    unit = torch.nn.functional.normalize(exact, dim=-1, eps=1e-12)  # eps: a zero key has similarity 0, not NaN
    with _outside_autocast(unit.device.type):
        scores = unit[:, ::2] @ unit[:, 1::2].transpose(-1, -2)
    if padded is not None:
        scores = scores.masked_fill(padded[:, None, 1::2], LAST).masked_fill(padded[:, ::2, None], FIRST)
    if protected:
        scores[:, : (protected + 1) // 2] = NEVER
        scores[:, :, : protected // 2] = NEVER
    return scores


def _outside_autocast(device: str) -> AbstractContextManager:
    """Autocast would round the similarities to half precision, whatever the dtype of the keys."""
    active = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if active else nullcontext()


def _groups(merged: Tensor, kept: Tensor, targets: Tensor, tokens: int, protected: int) -> Tensor:
    """The group of every token, (batch, tokens).

    Args:
        merged: (batch, r) sources that merge away, counted among the sources.
        kept: (batch, sources - r) sources that stay, in their new order.
        targets: (batch, r) the destination of each merged source, counted among the destinations.
    """
    batch, stay = kept.shape
    front_sources, front_destinations = (protected + 1) // 2, protected // 2
    sources = torch.empty(batch, (tokens + 1) // 2, dtype=torch.int64, device=kept.device)
    # the kept sources lead, the destinations follow; then the protected destinations move up between the sources
    new = torch.arange(tokens - merged.shape[1], device=kept.device)
    kept_place, destination_place = new[:stay], new[stay:]
    if front_destinations:
        front = torch.arange(protected, device=kept.device)
        kept_place = torch.cat([front[::2], kept_place[front_sources:] + front_destinations])
        destination_place = torch.cat([front[1::2], destination_place[front_destinations:]])
    sources.scatter_(1, kept, kept_place.expand(batch, -1))
    sources.scatter_(1, merged, destination_place[targets])
    groups = torch.empty(batch, tokens, dtype=torch.int64, device=kept.device)
    groups[:, ::2] = sources
    groups[:, 1::2] = destination_place
    return groups
