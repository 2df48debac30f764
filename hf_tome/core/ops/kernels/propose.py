"""Each source's best destination, without materialising the scores of all pairs."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # sources, or destinations, at a time


@triton.jit
def split(tokens, PROTECTED: tl.constexpr):
    """The position of the first source and of the first destination, and how many there are of each.

    Of the tokens that are not protected, those at even positions are sources, those at odd ones destinations.
    """
    first_source, first_destination = PROTECTED + PROTECTED % 2, PROTECTED + 1 - PROTECTED % 2
    return first_source, first_destination, (tokens - first_source + 1) // 2, (tokens - first_destination + 1) // 2


@triton.jit
def _load_rows(metric, rows, mask, channel, stride_token, stride_channel, CHANNELS: tl.constexpr):
    mask = mask[:, None] & (channel < CHANNELS)[None, :]
    return tl.load(metric + rows[:, None] * stride_token + channel[None, :] * stride_channel, mask=mask, other=0.0)


@triton.jit
def _squares(x):
    """The sum of squares of each row."""
    x = x.to(tl.float32)
    return tl.sum(x * x, axis=1)


@triton.jit
def _inverse_length(square):
    return tl.div_rn(1.0, tl.maximum(tl.sqrt_rn(square), 1e-12))  # a zero key gives scores of 0


@triton.jit
def propose_block(
    metric, weights, similarity, best, start, tokens, stride_token, stride_channel,
    PROTECTED: tl.constexpr, PADDED: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """`BLOCK` sources of one sample, from `start` on, against all destinations, a block of them at a time.

    The products are those of the metric as it is, and the scores are divided by the lengths. So tensor cores multiply a
    metric in half precision, exactly and with sums in float32. One in float32 is multiplied in float32 ("ieee"), since
    tf32 similarities often tie.
    """
    first_source, first_destination, sources, destinations = split(tokens, PROTECTED)
    source = start + tl.arange(0, BLOCK)
    rows, is_source = first_source + 2 * source, source < sources
    channel = tl.arange(0, CHUNK)
    square = tl.zeros([BLOCK], tl.float32)
    for chunk in range(0, CHANNELS, CHUNK):
        square += _squares(_load_rows(metric, rows, is_source, chunk + channel, stride_token, stride_channel, CHANNELS))
    own_scale = _inverse_length(square)[:, None]
    top = tl.full([BLOCK], float("-inf"), tl.float32)
    place = tl.zeros([BLOCK], tl.int32)
    for first in range(0, destinations, BLOCK):
        destination = first + tl.arange(0, BLOCK)
        columns, is_destination = first_destination + 2 * destination, destination < destinations
        scores = tl.zeros([BLOCK, BLOCK], tl.float32)
        other_square = tl.zeros([BLOCK], tl.float32)
        for chunk in range(0, CHANNELS, CHUNK):  # with one chunk there is no loop, and x stays in registers
            x = _load_rows(metric, rows, is_source, chunk + channel, stride_token, stride_channel, CHANNELS)
            y = _load_rows(metric, columns, is_destination, chunk + channel, stride_token, stride_channel, CHANNELS)
            scores = tl.dot(x, tl.trans(y), scores, input_precision="ieee")
            other_square += _squares(y)
        scores = scores * _inverse_length(other_square)[None, :] * own_scale
        scores = tl.where(scores == scores, scores, 3.0)  # NaN counts as the largest, as in torch
        if PADDED:
            is_padding = tl.load(weights + columns, mask=is_destination, other=1) == 0
            scores = tl.where(is_padding[None, :], -2.0, scores)
        scores = tl.where(is_destination[None, :], scores, float("-inf"))
        block_top, block_place = tl.max(scores, axis=1, return_indices=True)  # of equals, the first
        place = tl.where(block_top > top, first + block_place, place)
        top = tl.maximum(top, block_top)
    if PADDED:
        is_padding = tl.load(weights + rows, mask=is_source, other=1) == 0
        top = tl.where(is_padding, 2.0, top)
        place = tl.where(is_padding, 0, place)
    tl.store(similarity + source, top, mask=is_source)
    tl.store(best + source, place, mask=is_source)


@triton.jit(do_not_specialize=["tokens"])
def _propose(
    metric, weights, similarity, best, tokens, stride_batch, stride_token, stride_channel,
    PROTECTED: tl.constexpr, PADDED: tl.constexpr, CHANNELS: tl.constexpr, CHUNK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program: one block of sources of one sample."""
    sample = tl.program_id(1).to(tl.int64)
    sources = split(tokens, PROTECTED)[2]
    propose_block(
        metric + sample * stride_batch, weights + sample * tokens,
        similarity + sample * sources, best + sample * sources,
        tl.program_id(0) * BLOCK, tokens, stride_token, stride_channel,
        PROTECTED, PADDED, CHANNELS, CHUNK, BLOCK,
    )  # fmt: skip


def count_sources(tokens: int, protected: int) -> int:
    return (tokens - protected - protected % 2 + 1) // 2


def tiles(dtype: torch.dtype, channels: int) -> dict[str, Any]:
    """The tile sizes. Operands in float32 are held in registers, which have room for fewer channels at a time."""
    widest, warps = (32, 8) if dtype == torch.float32 else (64, 4)
    chunk = min(widest, max(16, triton.next_power_of_2(channels)))
    return {"CHANNELS": channels, "CHUNK": chunk, "BLOCK": BLOCK, "num_warps": warps}


def propose(metric: Tensor, weights: Tensor | None, protected: int) -> tuple[Tensor, Tensor]:
    """The similarity of each source to its best destination, and the index of that.

    Args:
        metric: (batch, tokens, channels) of any strides.
        weights: (batch, tokens), contiguous, 0 where a token is padding; None where none is.
        protected: how many tokens at the front never merge.

    Returns:
        (batch, sources) float32 and (batch, sources) int32.
    """
    batch, tokens, channels = metric.shape
    sources = count_sources(tokens, protected)
    similarity = metric.new_empty(batch, sources, dtype=torch.float32)
    best = metric.new_empty(batch, sources, dtype=torch.int32)
    options = tiles(metric.dtype, channels)
    _propose[(triton.cdiv(sources, BLOCK), batch)](
        metric, similarity if weights is None else weights, similarity, best, tokens, *metric.stride(),
        PROTECTED=protected, PADDED=weights is not None, **options,
    )  # fmt: skip
    return similarity, best
