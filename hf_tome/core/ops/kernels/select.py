"""The plan of the r best proposals: a stable selection by counting, without a sort."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from hf_tome.core.ops.kernels.propose import split

BLOCK = 64


@triton.jit
def rank_block(similarity, rank, start, sources, BLOCK: tl.constexpr):
    """The rank of each source: how many have a higher similarity, or the same and a lower index."""
    own = start + tl.arange(0, BLOCK)
    value = tl.load(similarity + own, mask=own < sources, other=0.0)
    before = tl.zeros([BLOCK], tl.int32)
    for first in range(0, sources, BLOCK):
        other = first + tl.arange(0, BLOCK)
        rival = tl.load(similarity + other, mask=other < sources, other=float("-inf"))
        equal = (rival[None, :] == value[:, None]) & (other[None, :] < own[:, None])
        before += tl.sum(((rival[None, :] > value[:, None]) | equal).to(tl.int32), axis=1)
    tl.store(rank + own, before, mask=own < sources)


@triton.jit
def place_block(
    rank, best, leaders, joiners, targets, start, tokens, r, PROTECTED: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """Write the plan of one sample for `BLOCK` sources, destinations and protected tokens from `start` on."""
    first_source, first_destination, sources, destinations = split(tokens, PROTECTED)
    own = start + tl.arange(0, BLOCK)
    stay = sources - r
    place = tl.load(rank + own, mask=own < sources, other=0)
    joins = (own < sources) & (place < r)
    slot = place - r
    if PROTECTED > 0:  # the sources that stay are in index order
        slot = own
        for first in range(0, start + BLOCK, BLOCK):
            other = first + tl.arange(0, BLOCK)
            merged = tl.load(rank + other, mask=other < sources, other=r) < r
            slot -= tl.sum((merged[None, :] & (other[None, :] < own[:, None])).to(tl.int32), axis=1)
    token = (first_source + 2 * own).to(tl.int64)
    tl.store(leaders + PROTECTED + slot, token, mask=(own < sources) & (place >= r))
    tl.store(joiners + place, token, mask=joins)
    target = tl.load(best + own, mask=joins, other=0) + PROTECTED + stay
    tl.store(targets + place, target.to(tl.int64), mask=joins)
    destination = (first_destination + 2 * own).to(tl.int64)
    tl.store(leaders + PROTECTED + stay + own, destination, mask=own < destinations)
    tl.store(leaders + own, own.to(tl.int64), mask=own < PROTECTED)


@triton.jit(do_not_specialize=["sources"])
def _rank(similarity, rank, sources, BLOCK: tl.constexpr):
    sample = tl.program_id(1).to(tl.int64)
    rank_block(similarity + sample * sources, rank + sample * sources, tl.program_id(0) * BLOCK, sources, BLOCK)


@triton.jit(do_not_specialize=["tokens", "r"])
def _place(rank, best, leaders, joiners, targets, tokens, r, PROTECTED: tl.constexpr, BLOCK: tl.constexpr):
    sample = tl.program_id(1).to(tl.int64)
    sources = split(tokens, PROTECTED)[2]
    place_block(
        rank + sample * sources, best + sample * sources,
        leaders + sample * (tokens - r), joiners + sample * r, targets + sample * r,
        tl.program_id(0) * BLOCK, tokens, r, PROTECTED, BLOCK,
    )  # fmt: skip


def empty_plan(like: Tensor, batch: int, tokens: int, r: int) -> tuple[Tensor, Tensor, Tensor]:
    """Empty leaders, joiners and targets, int64."""
    leaders, joiners, targets = (like.new_empty(batch, count, dtype=torch.int64) for count in (tokens - r, r, r))
    return leaders, joiners, targets


def select(similarity: Tensor, best: Tensor, tokens: int, r: int, protected: int) -> tuple[Tensor, Tensor, Tensor]:
    """Leaders, joiners and targets of a plan, int64, from what `propose` gives. r is capped already."""
    batch, sources = similarity.shape
    plan, rank = empty_plan(similarity, batch, tokens, r), torch.empty_like(best)
    _rank[(triton.cdiv(sources, BLOCK), batch)](similarity, rank, sources, BLOCK=BLOCK)
    most = max(protected, tokens - protected - sources, sources)  # protected tokens, destinations, sources
    _place[(triton.cdiv(most, BLOCK), batch)](rank, best, *plan, tokens, r, PROTECTED=protected, BLOCK=BLOCK)
    return plan
