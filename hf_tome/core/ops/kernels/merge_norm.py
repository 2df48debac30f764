"""All between attention and MLP in one launch: the residual addition, the merge, and the norm after it."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOperatorIssue=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from hf_tome.core.ops.kernels.merge import BLOCK, merged_row


@triton.jit(do_not_specialize=["groups", "r"])
def _merge_norm(
    x, residual, leaders, joiners, targets, shares, weight, bias, merged, normed, mean, scale,
    groups, r, features, stride_batch, stride_token, stride_feature, eps,
    WEIGHTED: tl.constexpr, BIASED: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program: one group of one sample, with all its features."""
    group = tl.program_id(0)
    sample = tl.program_id(1).to(tl.int64)
    feature = tl.arange(0, WIDTH)
    fits = feature < features
    row = merged_row(
        x, residual, leaders, joiners, targets, shares, group, sample, feature, fits,
        groups, r, stride_batch, stride_token, stride_feature, True, BLOCK,
    )  # fmt: skip
    own = sample * groups + group
    row = row.to(merged.dtype.element_ty)
    tl.store(merged + own * features + feature, row, mask=fits)
    row = row.to(tl.float32)  # the norm sees what was stored, rounded
    middle = tl.sum(row, axis=0) / features
    centred = tl.where(fits, row - middle, 0.0)
    inverse = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / features + eps)
    tl.store(mean + own, middle)
    tl.store(scale + own, inverse)
    out = centred * inverse
    if WEIGHTED:
        out *= tl.load(weight + feature, mask=fits, other=0.0).to(tl.float32)
    if BIASED:
        out += tl.load(bias + feature, mask=fits, other=0.0).to(tl.float32)
    tl.store(normed + own * features + feature, out.to(normed.dtype.element_ty), mask=fits)


def tiles(features: int) -> dict[str, Any]:
    """A row stays in registers: at most 16 features a thread."""
    width = triton.next_power_of_2(features)
    return {"WIDTH": width, "BLOCK": BLOCK, "num_warps": max(4, width // 512)}


def merge_norm(
    x: Tensor,
    leaders: Tensor,
    joiners: Tensor,
    targets: Tensor,
    shares: Tensor,
    residual: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The merge of x + residual, its norm (both (batch, groups, features)), and the norm's mean and inverse deviation.

    Args:
        x: (batch, tokens, features) of any strides.
        residual: the same of any strides.
        weight: (features,), or None for ones.
        bias: (features,), or None for zeros.
        eps: added to the variance.
    """
    if residual.stride() != x.stride():
        x, residual = x.contiguous(), residual.contiguous()
    (batch, groups), r, features = leaders.shape, joiners.shape[1], x.shape[2]
    merged, normed = (x.new_empty(batch, groups, features) for _ in range(2))
    mean, scale = (x.new_empty(batch, groups, 1, dtype=torch.float32) for _ in range(2))
    _merge_norm[(groups, batch)](
        x, residual, leaders, joiners, targets, shares,
        x if weight is None else weight.contiguous(), x if bias is None else bias.contiguous(),
        merged, normed, mean, scale, groups, r, features, *x.stride(), eps,
        WEIGHTED=weight is not None, BIASED=bias is not None, **tiles(features),
    )  # fmt: skip
    return merged, normed, mean, scale
