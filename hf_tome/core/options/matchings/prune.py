"""Token pruning as a merge: what is dropped joins the kept token that is most like it, and changes nothing there.

So shapes, groups and the way back to all positions are those of a merge. The position of a dropped token takes the
value of the token that it joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.order import falling, rising
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped

    from hf_tome.core.options.candidates import Candidates


def random_prune(candidates: Candidates) -> MergePlan:
    """Drop r random tokens: the same ones in each sample and each forward, others in each layer and for each seed."""
    return _prune(candidates, candidates.rows(candidates.draw()))


def attention_prune(candidates: Candidates) -> MergePlan:
    """Drop the r tokens of the least importance, by whatever the matching takes from the attention."""
    assert candidates.attention is not None
    return _prune(candidates, candidates.attention)


def evit(candidates: Candidates) -> MergePlan:
    """Fuse the r + 1 tokens with the least attention into one (after EViT, arXiv 2202.07800).

    EViT weighs them by their attention; here they are combined like any group.
    """
    assert candidates.attention is not None
    leaders, joiners, last = _ranked(candidates, candidates.attention)
    target = (leaders == last).to(torch.int8).argmax(dim=1, keepdim=True)
    return MergePlan(leaders, joiners, target.expand_as(joiners).contiguous())


def _prune(candidates: Candidates, worth: Shaped[Tensor, "batch tokens"]) -> MergePlan:
    leaders, joiners, _ = _ranked(candidates, worth)
    _, best = candidates.nearest(joiners, leaders[:, candidates.protected :])
    return MergePlan(leaders, joiners, best + candidates.protected)


def _ranked(
    candidates: Candidates, worth: Shaped[Tensor, "batch tokens"]
) -> tuple[Int[Tensor, "batch n"], Tensor, Tensor]:
    """The tokens that stay in index order, those of least worth that go, and the least worthy that stays (batch, 1)."""
    worth = worth.to(torch.float64)  # holds any of the numbers, and the infinities
    if candidates.padded is not None:
        worth = worth.masked_fill(candidates.padded, -torch.inf)
    worth = worth.masked_fill(candidates.places < candidates.protected, torch.inf)
    order = falling(worth)
    stay, go = order[:, : -candidates.r], order[:, -candidates.r :]
    return rising(stay), go, stay[:, -1:]
