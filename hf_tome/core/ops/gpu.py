"""The operations of a merge as Triton kernels, each a launch or two behind an operator of torch.

`torch.compile` calls such operators as they are: its graph does not break there.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.cuda import device_of
from torch.library import custom_op

from hf_tome.core.ops.exporting import exporting

DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.int64)  # features and sizes; plans
WIDEST_NORM = 4096  # features of a row that one block of threads holds
HAS_TRITON = find_spec("triton") is not None  # torch for CUDA brings it along


def takes(x: Tensor) -> bool:
    """Whether the kernels take this tensor: on a GPU, not float64, and not while torch exports."""
    return x.is_cuda and x.dtype in DTYPES and available()


def available() -> bool:
    """Whether the kernels can run: triton is installed, and torch does not export. `torch.compile` traces this."""
    return HAS_TRITON and not exporting()


_DECIDE = (
    "(Tensor metric, Tensor? sizes, bool padding, SymInt r, int protected)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)
_SHARE = "(Tensor sizes, Tensor leaders, Tensor joiners, Tensor targets) -> (Tensor, Tensor)"
_MERGE = "(Tensor x, Tensor leaders, Tensor joiners, Tensor targets, Tensor shares, Tensor? residual=None) -> Tensor"
_BACKWARD = "(Tensor grad, Tensor leaders, Tensor joiners, Tensor targets, Tensor shares) -> Tensor"
_MERGE_NORM = (
    "(Tensor x, Tensor leaders, Tensor joiners, Tensor targets, Tensor shares, Tensor residual, Tensor? weight,"
    " Tensor? bias, float eps) -> (Tensor, Tensor, Tensor, Tensor)"
)
_COMPOSE = "(Tensor[] leaders, Tensor[] joiners, Tensor[] targets) -> Tensor"


@custom_op("hf_tome::decide", mutates_args=(), schema=_DECIDE)
def decide(
    metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `ops.decide`. No gradient flows through it."""
    from hf_tome.core.ops.kernels.decide import decide

    logs = _empty_logs(metric, metric.shape[-2] - r)
    with device_of(metric):
        return *decide(metric, sizes, padding, r, protected, logs), logs


@decide.register_fake
def _(
    metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    batch, tokens = metric.shape[0], metric.shape[-2]
    leaders, joiners, targets = (metric.new_empty(batch, count, dtype=torch.int64) for count in (tokens - r, r, r))
    totals, shares = (metric.new_empty(batch, count, dtype=torch.float32) for count in (tokens - r, r))
    return leaders, joiners, targets, totals, shares, _empty_logs(metric, tokens - r)


def _empty_logs(metric: Tensor, groups: int) -> Tensor:
    """An empty tensor for log-sizes (batch, 1, 1, groups).

    Its strides are multiples of 8: memory-efficient attention copies any other mask at each call.
    """
    return metric.new_empty(metric.shape[0], 1, 1, -(-groups // 8) * 8).narrow(-1, 0, groups)


@custom_op("hf_tome::share", mutates_args=(), schema=_SHARE)
def share(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """See `ops.share`."""
    from hf_tome.core.ops.kernels.share import share

    with device_of(sizes):
        return share(sizes, *_contiguous(leaders, joiners, targets))


@share.register_fake
def _(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    totals, shares = (sizes.new_empty(like.shape, dtype=torch.float32) for like in (leaders, joiners))
    return totals, shares


@custom_op("hf_tome::merge", mutates_args=(), schema=_MERGE)
def merge(
    x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor, residual: Tensor | None = None
) -> Tensor:
    """See `ops.merge`. Differentiable with respect to x and residual: token sizes carry no gradient."""
    from hf_tome.core.ops.kernels import merge as kernels

    with device_of(x):
        return kernels.merge(x, *_contiguous(leaders, joiners, targets, shares), residual=residual)


@merge.register_fake
def _(
    x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor, residual: Tensor | None = None
) -> Tensor:
    return x.new_empty(*leaders.shape, x.shape[2])


@custom_op("hf_tome::merge_backward", mutates_args=(), schema=_BACKWARD)
def merge_backward(grad: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """The gradient of `merge` with respect to its x, and to its residual as well, from that of its result."""
    from hf_tome.core.ops.kernels import merge as kernels

    with device_of(grad):
        return kernels.merge_backward(grad, *_contiguous(leaders, joiners, targets, shares))


@merge_backward.register_fake
def _(grad: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    return grad.new_empty(leaders.shape[0], leaders.shape[1] + joiners.shape[1], grad.shape[2])


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[1:5])


def _gradient(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    of_x = merge_backward(grad, *ctx.saved_tensors)
    return of_x, None, None, None, None, of_x if any(ctx.needs_input_grad[5:]) else None


merge.register_autograd(_gradient, setup_context=_keep)


@custom_op("hf_tome::merge_norm", mutates_args=(), schema=_MERGE_NORM)
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
    """See `ops.merge_norm`; mean and inverse deviation (batch, groups, 1) in float32 are for the gradient."""
    from hf_tome.core.ops.kernels.merge_norm import merge_norm

    with device_of(x):
        plan = _contiguous(leaders, joiners, targets, shares)
        return merge_norm(x, *plan, residual=residual, weight=weight, bias=bias, eps=eps)


@merge_norm.register_fake
def _(
    x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor, *rest: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    merged, normed = (x.new_empty(*leaders.shape, x.shape[2]) for _ in range(2))
    mean, scale = (x.new_empty(*leaders.shape, 1, dtype=torch.float32) for _ in range(2))
    return merged, normed, mean, scale


def _keep_norm(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    merged, _, mean, scale = output
    ctx.save_for_backward(*inputs[1:5], *inputs[6:8], merged, mean, scale)


def _gradient_of_norm(ctx: Any, of_merged: Tensor, of_normed: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
    *plan, weight, bias, merged, mean, scale = ctx.saved_tensors
    given = of_normed, merged, merged.shape[2:], mean, scale, weight, bias
    of_input, *of_affine = torch.ops.aten.native_layer_norm_backward(*given, [True, *ctx.needs_input_grad[6:8]])
    of_x = merge_backward(of_merged + of_input, *plan)
    return of_x, None, None, None, None, of_x, *of_affine, None


merge_norm.register_autograd(_gradient_of_norm, setup_context=_keep_norm)


@custom_op("hf_tome::compose", mutates_args=(), schema=_COMPOSE)
def compose(leaders: list[Tensor], joiners: list[Tensor], targets: list[Tensor]) -> Tensor:
    """See `ops.compose`."""
    from hf_tome.core.ops.kernels.compose import compose

    with device_of(leaders[0]):
        return compose(_contiguous(*leaders), _contiguous(*joiners), _contiguous(*targets))


@compose.register_fake
def _(leaders: list[Tensor], joiners: list[Tensor], targets: list[Tensor]) -> Tensor:
    return leaders[0].new_empty(leaders[0].shape[0], leaders[0].shape[1] + joiners[0].shape[1])


def _contiguous(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors made contiguous, as the kernels read them: a user's own matching may return other strides."""
    return tuple(each.contiguous() for each in tensors)
