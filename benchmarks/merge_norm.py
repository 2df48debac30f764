"""Residual addition, merge and second norm of a layer in one launch: a candidate that the benchmark on a GPU measures.

The package adds and merges in one launch, and calls the layer's norm as a module. Were this much faster, a block could
hand its norm to the merge.
"""

# pyright: reportArgumentType=false, reportCallIssue=false, reportIndexIssue=false, reportOperatorIssue=false

from __future__ import annotations

import triton
import triton.language as tl
from torch import Tensor, nn

from hf_tome.core.ops.kernels.merge import BLOCK, _load_row


@triton.jit(do_not_specialize=["groups", "r"])
def _merge_norm(
    x, residual, leaders, joiners, targets, shares, weight, bias, merged, normed, groups, r, features, eps,
    WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One program: one group of one sample, with all its features."""
    group = tl.program_id(0)
    sample = tl.program_id(1).to(tl.int64)
    x += sample * (groups + r) * features
    residual += sample * (groups + r) * features
    joiners += sample * r
    targets += sample * r
    shares += sample * r
    feature = tl.arange(0, WIDTH)
    fits = feature < features
    leader = _load_row(x, residual, tl.load(leaders + sample * groups + group) * features + feature, fits, True)
    row = leader
    for start in range(0, r, BLOCK):
        joiner = start + tl.arange(0, BLOCK)
        hits = tl.load(targets + joiner, mask=joiner < r, other=-1) == group
        next_one = tl.min(tl.where(hits, joiner, r), axis=0)
        while next_one < r:
            place = tl.load(joiners + next_one) * features + feature
            row += tl.load(shares + next_one) * (_load_row(x, residual, place, fits, True) - leader)
            next_one = tl.min(tl.where(hits & (joiner > next_one), joiner, r), axis=0)
    row = row.to(merged.dtype.element_ty)
    place = (sample * groups + group) * features + feature
    tl.store(merged + place, row, mask=fits)
    row = row.to(tl.float32)
    centred = tl.where(fits, row - tl.sum(row, axis=0) / features, 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, axis=0) / features + eps)
    out = centred * scale * tl.load(weight + feature, mask=fits, other=0.0).to(tl.float32)
    out += tl.load(bias + feature, mask=fits, other=0.0).to(tl.float32)
    tl.store(normed + place, out.to(normed.dtype.element_ty), mask=fits)


def merge_norm(
    x: Tensor, residual: Tensor, plan: tuple[Tensor, Tensor, Tensor], shares: Tensor, norm: nn.LayerNorm
) -> tuple[Tensor, Tensor]:
    """The merge of x + residual, and its norm. All tensors are contiguous; x is (batch, tokens, features)."""
    (batch, groups), r, features = plan[0].shape, plan[1].shape[1], x.shape[2]
    merged, normed = x.new_empty(batch, groups, features), x.new_empty(batch, groups, features)
    _merge_norm[(groups, batch)](
        x, residual, *plan, shares, norm.weight, norm.bias, merged, normed, groups, r, features, norm.eps,
        WIDTH=triton.next_power_of_2(features), BLOCK=BLOCK,
    )  # fmt: skip
    return merged, normed
