"""Each source's best destination, without ever holding the scores of all pairs."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64


@triton.jit
def _unit_rows(metric, rows, fits, channels, stride_token, stride_channel, WIDTH: tl.constexpr):
    """Rows of the metric in float32 at length 1; zero where a row does not fit."""
    channel = tl.arange(0, WIDTH)
    mask = fits[:, None] & (channel < channels)[None, :]
    x = tl.load(metric + rows[:, None] * stride_token + channel[None, :] * stride_channel, mask=mask, other=0.0)
    x = x.to(tl.float32)
    return x / tl.maximum(tl.sqrt(tl.sum(x * x, axis=1)), 1e-12)[:, None]


@triton.jit
def _propose(
    metric, padded, similarity, best,
    sources, destinations, channels, tokens, first_source, first_destination,
    stride_batch, stride_token, stride_channel,
    PADDED: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program: `BLOCK` sources of one sample against all destinations, a block of them at a time."""
    sample = tl.program_id(1).to(tl.int64)
    source = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    metric += sample * stride_batch
    padded += sample * tokens
    rows = first_source + 2 * source
    unit = _unit_rows(metric, rows, source < sources, channels, stride_token, stride_channel, WIDTH)
    top = tl.full([BLOCK], float("-inf"), tl.float32)
    place = tl.zeros([BLOCK], tl.int32)
    for start in range(0, destinations, BLOCK):
        destination = start + tl.arange(0, BLOCK)
        fits = destination < destinations
        columns = first_destination + 2 * destination
        other = _unit_rows(metric, columns, fits, channels, stride_token, stride_channel, WIDTH)
        # ieee: tf32 similarities tie by the dozen
        scores = tl.dot(unit, tl.trans(other), input_precision="ieee")
        scores = tl.where(scores == scores, scores, 3.0)  # NaN counts as the largest, as in torch
        if PADDED:
            scores = tl.where(tl.load(padded + columns, mask=fits, other=0)[None, :] != 0, -2.0, scores)
        scores = tl.where(fits[None, :], scores, float("-inf"))
        block_top, block_place = tl.max(scores, axis=1, return_indices=True)  # of equals, the first
        place = tl.where(block_top > top, start + block_place, place)
        top = tl.maximum(top, block_top)
    if PADDED:
        is_padding = tl.load(padded + rows, mask=source < sources, other=0) != 0
        top = tl.where(is_padding, 2.0, top)
        place = tl.where(is_padding, 0, place)
    tl.store(similarity + sample * sources + source, top, mask=source < sources)
    tl.store(best + sample * sources + source, place, mask=source < sources)


def propose(metric: Tensor, padded: Tensor | None, first_source: int, first_destination: int) -> tuple[Tensor, Tensor]:
    """The similarity of each source to its best destination, and which that is.

    Args:
        metric: (batch, tokens, channels) of any strides.
        padded: (batch, tokens) bool, or None.
        first_source: position of the first source; every other token from there on is one.
        first_destination: likewise.

    Returns:
        (batch, sources) float32 and (batch, sources) int32.
    """
    batch, tokens, channels = metric.shape
    sources, destinations = (max(0, -(-(tokens - first) // 2)) for first in (first_source, first_destination))
    similarity = metric.new_empty(batch, sources, dtype=torch.float32)
    best = metric.new_empty(batch, sources, dtype=torch.int32)
    mask = similarity if padded is None else padded.contiguous().view(torch.uint8)
    grid = (triton.cdiv(sources, BLOCK), batch)
    _propose[grid](
        metric, mask, similarity, best,
        sources, destinations, channels, tokens, first_source, first_destination,
        *metric.stride(),
        PADDED=padded is not None, WIDTH=max(16, triton.next_power_of_2(channels)), BLOCK=BLOCK,
    )  # fmt: skip
    return similarity, best
