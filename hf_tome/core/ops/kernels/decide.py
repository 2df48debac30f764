"""Matching, selection and shares of a merge in one launch: one program per sample."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from hf_tome.core.ops.kernels.propose import count_sources, propose, propose_block, split, tiles
from hf_tome.core.ops.kernels.select import empty_plan, place_block, rank_block, select
from hf_tome.core.ops.kernels.share import share, share_block

WARPS = 8
MOST_TOKENS = 1600  # for more tokens, one multiprocessor per sample is too slow: separate launches


@triton.jit
def _mean_block(
    keys, metric, start, tokens, heads, stride_head, stride_token, stride_channel,
    CHANNELS: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The mean of the keys over the heads for `BLOCK` tokens of one sample, rounded as torch rounds it."""
    row = start + tl.arange(0, BLOCK)
    for first in range(0, CHANNELS, CHUNK):
        channel = first + tl.arange(0, CHUNK)
        mask = (row < tokens)[:, None] & (channel < CHANNELS)[None, :]
        place = keys + row[:, None] * stride_token + channel[None, :] * stride_channel
        total = tl.zeros([BLOCK, CHUNK], tl.float32)
        for head in range(heads):
            total += tl.load(place + head * stride_head, mask=mask, other=0.0).to(tl.float32)
        mean = (total / heads).to(metric.dtype.element_ty)
        tl.store(metric + row[:, None] * CHANNELS + channel[None, :], mean, mask=mask)


@triton.jit(do_not_specialize=["tokens", "r", "stride_logs"])
def _decide(
    keys, sizes, metric, similarity, best, rank, leaders, joiners, targets, totals, shares, logs,
    tokens, r, heads, stride_batch, stride_head, stride_token, stride_channel, stride_logs,
    PROTECTED: tl.constexpr, SIZED: tl.constexpr, PADDED: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """One program per sample. Barriers separate writes by some threads from reads by others."""
    sample = tl.program_id(0).to(tl.int64)
    first_source, first_destination, sources, destinations = split(tokens, PROTECTED)
    groups = tokens - r
    sizes += sample * tokens
    metric += sample * tokens * CHANNELS
    similarity += sample * sources
    best += sample * sources
    rank += sample * sources
    leaders += sample * groups
    joiners += sample * r
    targets += sample * r
    for start in range(0, tokens, BLOCK):
        _mean_block(
            keys + sample * stride_batch, metric, start, tokens, heads, stride_head, stride_token, stride_channel,
            CHANNELS, CHUNK, BLOCK,
        )  # fmt: skip
    tl.debug_barrier()
    for start in range(0, sources, BLOCK):
        propose_block(
            metric, sizes, similarity, best, start, tokens, CHANNELS, 1,
            PROTECTED, PADDED, CHANNELS, CHUNK, BLOCK,
        )  # fmt: skip
    tl.debug_barrier()
    for start in range(0, sources, BLOCK):
        rank_block(similarity, rank, start, sources, BLOCK)
    tl.debug_barrier()
    for start in range(0, tl.maximum(tl.maximum(sources, destinations), PROTECTED), BLOCK):
        place_block(rank, best, leaders, joiners, targets, start, tokens, r, PROTECTED, BLOCK)
    tl.debug_barrier()
    for start in range(0, tokens, BLOCK):
        share_block(
            sizes, leaders, joiners, targets, totals + sample * groups, shares + sample * r,
            logs + sample * stride_logs, start, groups, r, SIZED, True, BLOCK,
        )  # fmt: skip


def decide(
    metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int, logs: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `ops.decide`; the log-sizes are written on `logs`. The metric may have any strides."""
    batch, heads, tokens, channels = metric.shape
    sizes = None if sizes is None else sizes.contiguous()
    if tokens > MOST_TOKENS:
        found = propose(metric.mean(dim=1), sizes if padding else None, protected)
        plan = select(*found, tokens, r, protected)
        return *plan, *share(sizes, *plan, logs)
    plan = empty_plan(metric, batch, tokens, r)
    similarity, best, rank = (
        metric.new_empty(batch, count_sources(tokens, protected), dtype=dtype)
        for dtype in (torch.float32, torch.int32, torch.int32)
    )
    totals, shares = (metric.new_empty(batch, count, dtype=torch.float32) for count in (tokens - r, r))
    options = tiles(metric.dtype, channels) | {"num_warps": WARPS}
    _decide[(batch,)](
        metric, totals if sizes is None else sizes, metric.new_empty(batch, tokens, channels), similarity, best, rank,
        *plan, totals, shares, logs, tokens, r, heads, *metric.stride(), logs.stride(0),
        PROTECTED=protected, SIZED=sizes is not None, PADDED=padding and sizes is not None, **options,
    )  # fmt: skip
    return *plan, totals, shares
