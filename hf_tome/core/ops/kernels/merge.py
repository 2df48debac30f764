"""The weighted merge and its gradient, one row of features per program."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOperatorIssue=false

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 64  # joiners at a time
WIDEST = 2048  # features of a row at a time


@triton.jit
def _load_row(x, residual, place, fits, ADDED: tl.constexpr):
    row = tl.load(x + place, mask=fits, other=0.0)
    if ADDED:  # rounded as the addition of a layer rounds it
        row = (row.to(tl.float32) + tl.load(residual + place, mask=fits, other=0.0)).to(x.dtype.element_ty)
    return row.to(tl.float32)


@triton.jit
def merged_row(
    x, residual, leaders, joiners, targets, shares, group, sample, feature, fits,
    groups, r, stride_batch, stride_token, stride_feature, ADDED: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Some features of a group, in float32. Most groups have no joiner, few have more than two."""
    x += sample * stride_batch
    residual += sample * stride_batch
    joiners += sample * r
    targets += sample * r
    shares += sample * r
    column = feature * stride_feature
    place = tl.load(leaders + sample * groups + group) * stride_token + column
    leader = _load_row(x, residual, place, fits, ADDED)
    row = leader
    for start in range(0, r, BLOCK):
        joiner = start + tl.arange(0, BLOCK)
        hits = tl.load(targets + joiner, mask=joiner < r, other=-1) == group
        next_one = tl.min(tl.where(hits, joiner, r), axis=0)
        while next_one < r:
            place = tl.load(joiners + next_one) * stride_token + column
            share = tl.load(shares + next_one)
            row += share * (_load_row(x, residual, place, fits, ADDED) - leader)
            next_one = tl.min(tl.where(hits & (joiner > next_one), joiner, r), axis=0)
    return row


@triton.jit(do_not_specialize=["groups", "r"])
def _merge(
    x, residual, leaders, joiners, targets, shares, out,
    groups, r, features, stride_batch, stride_token, stride_feature,
    ADDED: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program: one group of one sample."""
    group = tl.program_id(0)
    sample = tl.program_id(1).to(tl.int64)
    feature = tl.program_id(2) * WIDTH + tl.arange(0, WIDTH)
    fits = feature < features
    row = merged_row(
        x, residual, leaders, joiners, targets, shares, group, sample, feature, fits,
        groups, r, stride_batch, stride_token, stride_feature, ADDED, BLOCK,
    )  # fmt: skip
    tl.store(out + (sample * groups + group) * features + feature, row.to(out.dtype.element_ty), mask=fits)


@triton.jit(do_not_specialize=["groups", "r", "tokens"])
def _merge_backward(
    grad, leaders, joiners, targets, shares, out,
    groups, r, tokens, features, stride_batch, stride_token, stride_feature,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program: one token. The gradient of its group times its share; a leader's share is 1 less its joiners'."""
    item = tl.program_id(0)
    sample = tl.program_id(1).to(tl.int64)
    targets += sample * r
    shares += sample * r
    token = tl.load(leaders + sample * groups + item, mask=item < groups, other=0)
    group = item.to(tl.int64)
    weight = 1.0
    if item < groups:
        joining = tl.zeros([BLOCK], tl.float32)
        for start in range(0, r, BLOCK):
            joiner = start + tl.arange(0, BLOCK)
            hits = tl.load(targets + joiner, mask=joiner < r, other=-1) == group
            joining += tl.where(hits, tl.load(shares + joiner, mask=joiner < r, other=0.0), 0.0)
        weight = 1.0 - tl.sum(joining, axis=0)
    else:
        token = tl.load(joiners + sample * r + item - groups)
        group = tl.load(targets + item - groups)
        weight = tl.load(shares + item - groups)
    feature = tl.program_id(2) * WIDTH + tl.arange(0, WIDTH)
    fits = feature < features
    row = tl.load(grad + sample * stride_batch + group * stride_token + feature * stride_feature, mask=fits)
    row = weight * row.to(tl.float32)
    tl.store(out + (sample * tokens + token) * features + feature, row.to(out.dtype.element_ty), mask=fits)


def merge(
    x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor, residual: Tensor | None = None
) -> Tensor:
    """The weighted mean of each group, (batch, groups, features), summed in float32.

    Args:
        x: (batch, tokens, features) of any strides.
        residual: the same of any strides; added to x first.
    """
    if residual is not None and residual.stride() != x.stride():
        x, residual = x.contiguous(), residual.contiguous()
    (batch, groups), r, features = leaders.shape, joiners.shape[1], x.shape[2]
    out = x.new_empty(batch, groups, features)
    width = min(WIDEST, triton.next_power_of_2(features))
    _merge[(groups, batch, triton.cdiv(features, width))](
        x, x if residual is None else residual, leaders, joiners, targets, shares, out,
        groups, r, features, *x.stride(), ADDED=residual is not None, WIDTH=width, BLOCK=BLOCK,
    )  # fmt: skip
    return out


def merge_backward(grad: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """The gradient of `merge` with respect to x, (batch, tokens, features)."""
    (batch, groups), r, features = leaders.shape, joiners.shape[1], grad.shape[2]
    out = grad.new_empty(batch, groups + r, features)
    width = min(WIDEST, triton.next_power_of_2(features))
    _merge_backward[(groups + r, batch, triton.cdiv(features, width))](
        grad, leaders, joiners, targets, shares, out,
        groups, r, groups + r, features, *grad.stride(), WIDTH=width, BLOCK=BLOCK,
    )  # fmt: skip
    return out
