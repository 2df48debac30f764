"""Matching and merging as torch operators, each a launch or two of the Triton kernels.

As operators they are opaque to `torch.compile`, which neither breaks its graph at them nor looks inside. The torch code
of `core.matching` and `core.plan` is the reference, and what runs wherever `fits` says no.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.cuda import device_of
from torch.library import custom_op

WIDEST_METRIC = 256  # channels; a wider metric would not stay on the chip


DTYPES = (torch.float32, torch.float16, torch.bfloat16)
HAS_TRITON = find_spec("triton") is not None  # torch for CUDA brings it along


def fits(x: Tensor) -> bool:
    """Whether the kernels take this tensor: on a GPU, of at most 32 bits, and not on its way into an export."""
    return x.is_cuda and x.dtype in DTYPES and available()


def available() -> bool:
    """Whether the kernels can run at all, here and now. `torch.compile` traces this."""
    exporting = hasattr(torch.compiler, "is_exporting") and torch.compiler.is_exporting()  # older torch cannot tell
    return HAS_TRITON and not exporting


_MATCH = "(Tensor metric, SymInt r, int protected, Tensor? padded) -> Tensor[]"
_SHARE = "(Tensor sizes, Tensor leaders, Tensor joiners, Tensor targets) -> (Tensor, Tensor)"
_MERGE = "(Tensor x, Tensor leaders, Tensor joiners, Tensor targets, Tensor shares) -> Tensor"


@custom_op("hf_tome::match", mutates_args=(), schema=_MATCH)
def match(metric: Tensor, r: int, protected: int, padded: Tensor | None) -> list[Tensor]:
    """Leaders, joiners and targets of the plan that `match_bipartite` makes; r is capped already and not 0."""
    from hf_tome.core.ops.kernels.propose import propose
    from hf_tome.core.ops.kernels.select import select

    first_source, first_destination = protected + protected % 2, protected + 1 - protected % 2
    with device_of(metric):  # triton launches on the current device, which need not be that of the tensors
        similarity, best = propose(metric, padded, first_source, first_destination)
        return list(select(similarity, best, r, protected, metric.shape[1], first_source, first_destination))


@match.register_fake
def _(metric: Tensor, r: int, protected: int, padded: Tensor | None) -> list[Tensor]:
    batch, tokens, _ = metric.shape
    return [metric.new_empty(batch, count, dtype=torch.int64) for count in (tokens - r, r, r)]


@custom_op("hf_tome::share", mutates_args=(), schema=_SHARE)
def share(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """See `MergePlan.share`."""
    from hf_tome.core.ops.kernels import merge as kernels

    with device_of(sizes):
        return kernels.share(sizes, leaders, joiners, targets)


@share.register_fake
def _(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    return sizes.new_empty(leaders.shape), sizes.new_empty(joiners.shape)


@custom_op("hf_tome::merge", mutates_args=(), schema=_MERGE)
def merge(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """See `MergePlan.merge`. Differentiable with respect to x alone: token sizes carry no gradient."""
    from hf_tome.core.ops.kernels import merge as kernels

    with device_of(x):
        return kernels.merge(x, leaders, joiners, targets, shares)


@merge.register_fake
def _(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    return x.new_empty(*leaders.shape, x.shape[2])


@custom_op("hf_tome::merge_backward", mutates_args=(), schema=_MERGE)
def merge_backward(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """The gradient of `merge` with respect to its x; here x is the gradient of its result."""
    from hf_tome.core.ops.kernels import merge as kernels

    with device_of(x):
        return kernels.merge_backward(x, leaders, joiners, targets, shares)


@merge_backward.register_fake
def _(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    return x.new_empty(leaders.shape[0], leaders.shape[1] + joiners.shape[1], x.shape[2])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:])


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    return merge_backward(grad, *ctx.saved_tensors), None, None, None, None


merge.register_autograd(_gradient, setup_context=_keep)
