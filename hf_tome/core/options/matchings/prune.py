"""Token pruning as a merge: what is dropped joins the kept token that is most like it, and changes nothing there.

So shapes, groups and the way back to all positions are those of a merge. The position of a dropped token takes the
value of the token that it joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped

    from hf_tome.core.options.candidates import Given


def random_prune(given: Given) -> MergePlan:
    """Drop r random tokens: the same ones in each sample and each forward, others in each layer and for each seed."""
    return _prune(given, given.rows(given.draw()))


def attention_prune(given: Given) -> MergePlan:
    """Drop the r tokens of the least importance, by whatever the matching takes from the attention."""
    assert given.attention is not None
    return _prune(given, given.attention)


def evit(given: Given) -> MergePlan:
    """Fuse the r + 1 tokens with the least attention into one (after EViT, arXiv 2202.07800).

    EViT weighs them by their attention; here they are combined like any group.
    """
    assert given.attention is not None
    leaders, joiners, last = _ranked(given, given.attention)
    target = (leaders == last).to(torch.int8).argmax(dim=1, keepdim=True)
    return MergePlan(leaders, joiners, target.expand_as(joiners).contiguous())


def _prune(given: Given, worth: Shaped[Tensor, "batch tokens"]) -> MergePlan:
    leaders, joiners, _ = _ranked(given, worth)
    _, best = given.nearest(joiners, leaders[:, given.protected :])
    return MergePlan(leaders, joiners, best + given.protected)


def _ranked(given: Given, worth: Shaped[Tensor, "batch tokens"]) -> tuple[Int[Tensor, "batch n"], Tensor, Tensor]:
    """The tokens that stay in index order, those of least worth that go, and the least worthy that stays (batch, 1)."""
    worth = worth.to(torch.float64)  # holds any of the numbers, and the infinities
    if given.padded is not None:
        worth = worth.masked_fill(given.padded, -torch.inf)
    worth = worth.masked_fill(given.places < given.protected, torch.inf)
    order = worth.argsort(dim=1, descending=True, stable=True)
    stay, go = order[:, : -given.r], order[:, -given.r :]
    return stay.sort(dim=1).values, go, stay[:, -1:]
