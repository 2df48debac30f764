"""The r best proposals, and where every token goes: a stable selection by counting, without a sort."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 128


@triton.jit
def _rank(similarity, rank, sources, BLOCK: tl.constexpr):
    """How many sources come before each: those that are more similar, and of equals those in front of it."""
    sample = tl.program_id(1).to(tl.int64)
    own = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    value = tl.load(similarity + sample * sources + own, mask=own < sources, other=0.0)
    before = tl.zeros([BLOCK], tl.int32)
    for start in range(0, sources, BLOCK):
        other = start + tl.arange(0, BLOCK)
        rival = tl.load(similarity + sample * sources + other, mask=other < sources, other=float("-inf"))
        equal = (rival[None, :] == value[:, None]) & (other[None, :] < own[:, None])
        before += tl.sum(((rival[None, :] > value[:, None]) | equal).to(tl.int32), axis=1)
    tl.store(rank + sample * sources + own, before, mask=own < sources)


@triton.jit
def _place(
    rank, best, leaders, joiners, targets,
    sources, destinations, r, protected, first_source, first_destination,
    IN_ORDER: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the plan. One program: `BLOCK` sources, as many destinations and protected tokens of one sample."""
    sample = tl.program_id(1).to(tl.int64)
    own = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    stay = sources - r
    groups = protected + stay + destinations
    rank += sample * sources
    leaders += sample * groups
    place = tl.load(rank + own, mask=own < sources, other=0)
    joins = (own < sources) & (place < r)
    slot = place - r
    if IN_ORDER:
        slot = own
        for start in range(0, (tl.program_id(0) + 1) * BLOCK, BLOCK):
            other = start + tl.arange(0, BLOCK)
            merged = tl.load(rank + other, mask=other < sources, other=r) < r
            slot -= tl.sum((merged[None, :] & (other[None, :] < own[:, None])).to(tl.int32), axis=1)
    token = (first_source + 2 * own).to(tl.int64)
    tl.store(leaders + protected + slot, token, mask=(own < sources) & (place >= r))
    tl.store(joiners + sample * r + place, token, mask=joins)
    target = tl.load(best + sample * sources + own, mask=joins, other=0) + protected + stay
    tl.store(targets + sample * r + place, target.to(tl.int64), mask=joins)
    destination = (first_destination + 2 * own).to(tl.int64)
    tl.store(leaders + protected + stay + own, destination, mask=own < destinations)
    tl.store(leaders + own, own.to(tl.int64), mask=own < protected)


def select(
    similarity: Tensor, best: Tensor, r: int, protected: int, tokens: int, first_source: int, first_destination: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Leaders, joiners and targets of a plan, int64, from what `propose` gives. r is capped already."""
    batch, sources = similarity.shape
    destinations = tokens - protected - sources
    leaders, joiners, targets = (
        torch.empty(batch, count, dtype=torch.int64, device=similarity.device) for count in (tokens - r, r, r)
    )
    rank = torch.empty_like(best)
    _rank[(triton.cdiv(sources, BLOCK), batch)](similarity, rank, sources, BLOCK=BLOCK)
    _place[(triton.cdiv(max(sources, destinations, protected), BLOCK), batch)](
        rank, best, leaders, joiners, targets,
        sources, destinations, r, protected, first_source, first_destination,
        IN_ORDER=protected > 0, BLOCK=BLOCK,
    )  # fmt: skip
    return leaders, joiners, targets
