"""The operations of a merge as Triton kernels, each a launch or two behind an operator of torch.

As operators they are opaque to `torch.compile`, which neither breaks its graph at them nor looks inside.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.cuda import device_of
from torch.library import custom_op

from hf_tome.core.ops.exporting import exporting
from hf_tome.core.ops.reference import follow

__all__ = ["decide", "follow", "merge", "share", "takes"]

DTYPES = (torch.float32, torch.float16, torch.bfloat16)
HAS_TRITON = find_spec("triton") is not None  # torch for CUDA brings it along


def takes(x: Tensor) -> bool:
    """Whether the kernels take this tensor: on a GPU, of at most 32 bits, and not on its way into an export."""
    return x.is_cuda and x.dtype in DTYPES and available()


def available() -> bool:
    """Whether the kernels can run at all, here and now. `torch.compile` traces this."""
    return HAS_TRITON and not exporting()


_DECIDE = (
    "(Tensor metric, Tensor? sizes, bool padding, SymInt r, int protected) -> (Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_SHARE = "(Tensor sizes, Tensor leaders, Tensor joiners, Tensor targets) -> (Tensor, Tensor)"
_MERGE = "(Tensor x, Tensor leaders, Tensor joiners, Tensor targets, Tensor shares) -> Tensor"


@custom_op("hf_tome::decide", mutates_args=(), schema=_DECIDE)
def decide(
    metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `ops.decide`. No gradient flows through it."""
    from hf_tome.core.ops.kernels.decide import decide

    with device_of(metric):
        return decide(metric, sizes, padding, r, protected)


@decide.register_fake
def _(
    metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, tokens = metric.shape[0], metric.shape[-2]
    leaders, joiners, targets = (metric.new_empty(batch, count, dtype=torch.int64) for count in (tokens - r, r, r))
    totals, shares = (metric.new_empty(batch, count, dtype=torch.float32) for count in (tokens - r, r))
    return leaders, joiners, targets, totals, shares


@custom_op("hf_tome::share", mutates_args=(), schema=_SHARE)
def share(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """See `ops.share`."""
    from hf_tome.core.ops.kernels.share import share

    with device_of(sizes):
        return share(sizes, leaders, joiners, targets)


@share.register_fake
def _(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    totals, shares = (sizes.new_empty(like.shape, dtype=torch.float32) for like in (leaders, joiners))
    return totals, shares


@custom_op("hf_tome::merge", mutates_args=(), schema=_MERGE)
def merge(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """See `ops.merge`. Differentiable with respect to x alone: token sizes carry no gradient."""
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
