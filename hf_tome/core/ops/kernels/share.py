"""The sizes after a merge with their logarithms, and the share that each joiner has in its group."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOperatorIssue=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # groups or joiners at a time


@triton.jit
def _size_of(sizes, token, mask, SIZED: tl.constexpr):
    return tl.load(sizes + token, mask=mask, other=0.0).to(tl.float32) if SIZED else mask.to(tl.float32)


@triton.jit
def share_block(
    sizes, leaders, joiners, targets, totals, shares, logs, start, groups, r,
    SIZED: tl.constexpr, LOGS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`BLOCK` of the groups and, after these, of the joiners of one sample, from `start` on."""
    item = start + tl.arange(0, BLOCK)
    joiner = item - groups
    is_group, is_joiner = item < groups, (joiner >= 0) & (joiner < r)
    group = tl.where(is_group, item.to(tl.int64), tl.load(targets + joiner, mask=is_joiner, other=0))
    total = _size_of(sizes, tl.load(leaders + group), is_group | is_joiner, SIZED)
    for first in range(0, r, BLOCK):
        other = first + tl.arange(0, BLOCK)
        size = _size_of(sizes, tl.load(joiners + other, mask=other < r, other=0), other < r, SIZED)
        target = tl.load(targets + other, mask=other < r, other=-1)
        total += tl.sum(tl.where(target[None, :] == group[:, None], size[None, :], 0.0), axis=1)
    tl.store(totals + item, total, mask=is_group)
    if LOGS:
        tl.store(logs + item, tl.log(total).to(logs.dtype.element_ty), mask=is_group)
    size = _size_of(sizes, tl.load(joiners + joiner, mask=is_joiner, other=0), is_joiner, SIZED)
    tl.store(shares + joiner, size / tl.maximum(total, 1.1754944e-38), mask=is_joiner)  # float32's smallest normal


@triton.jit(do_not_specialize=["groups", "r", "stride_logs"])
def _share(
    sizes, leaders, joiners, targets, totals, shares, logs, groups, r, stride_logs,
    SIZED: tl.constexpr, LOGS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    sample = tl.program_id(1).to(tl.int64)
    share_block(
        sizes + sample * (groups + r), leaders + sample * groups, joiners + sample * r, targets + sample * r,
        totals + sample * groups, shares + sample * r, logs + sample * stride_logs,
        tl.program_id(0) * BLOCK, groups, r, SIZED, LOGS, BLOCK,
    )  # fmt: skip


def share(
    sizes: Tensor | None, leaders: Tensor, joiners: Tensor, targets: Tensor, logs: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The sizes after the merge (batch, groups), and the share of each joiner in its group (batch, r); in float32.

    Without `sizes` every token has size 1. Where there are `logs` (batch, 1, 1, groups), log-size is written there.
    """
    (batch, groups), r = leaders.shape, joiners.shape[1]
    totals, shares = (leaders.new_empty(batch, count, dtype=torch.float32) for count in (groups, r))
    _share[(triton.cdiv(groups + r, BLOCK), batch)](
        totals if sizes is None else sizes.contiguous(), leaders, joiners, targets, totals, shares,
        totals if logs is None else logs, groups, r, 0 if logs is None else logs.stride(0),
        SIZED=sizes is not None, LOGS=logs is not None, BLOCK=BLOCK,
    )  # fmt: skip
    return totals, shares
