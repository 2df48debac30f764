"""Matching and merging of small inputs on a CPU, each one call of a compiled loop.

Between the matrix products of a model every operation of torch finds cold caches. For one small image that costs more
than the work in it, so here the forty small operations of a layer become four calls. They need numba (the extra `cpu`),
and are for inference: whatever looks at single operations (gradients, `torch.compile`, an export, `torch.func`) gets
the torch code of `core.matching` and `core.plan`, which is the reference.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any
from warnings import warn

import torch
from torch import Tensor
from torch._C import (
    _functorch,  # pyright: ignore[reportAttributeAccessIssue]
    _get_tracing_state,
    _len_torch_dispatch_stack,  # pyright: ignore[reportAttributeAccessIssue]
)
from torch.autograd import forward_ad

HAS_NUMBA = find_spec("numba") is not None
MOST_VALUES = 2**19  # of a tensor: beyond, torch's operations win by their threads
MOST_PRODUCTS = 2**21  # of a matching, likewise


def plain(x: Tensor) -> bool:
    """Whether a loop may take this tensor: small, on a CPU, and nobody but the caller looks on.

    One function on purpose: between matrix products each call of another costs more than what it asks.
    """
    return (
        HAS_NUMBA
        and not torch.compiler.is_compiling()
        and type(x) is Tensor
        and x.is_cpu
        and not x.requires_grad
        and x.numel() <= MOST_VALUES
        and _get_tracing_state() is None  # torch.jit.trace
        and _len_torch_dispatch_stack() == 0  # make_fx, fake tensors, counters of operations
        and forward_ad._current_level < 0
        and not _functorch.is_functorch_wrapped_tensor(x)
        and _loops() is not None
    )


def fits(x: Tensor) -> bool:
    """Whether the loops take these values: likewise, in float32."""
    return x.dtype is torch.float32 and plain(x)


def fits_match(metric: Tensor) -> bool:
    """Whether the loops match these tokens: likewise, and few enough pairs of them."""
    return fits(metric) and metric.shape[1] * metric.numel() <= 4 * MOST_PRODUCTS  # a compiler must not see the sizes


def fits_keys(keys: Tensor) -> bool:
    """Whether the loops decide a merge by these keys (batch, heads, tokens, channels): likewise."""
    return fits(keys) and keys.shape[2] * keys.numel() <= 4 * MOST_PRODUCTS * keys.shape[1]


def decide(keys: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int) -> tuple[Tensor, ...]:
    """Leaders, joiners, targets, totals and shares: the mean of the keys, `match` and `share` in one."""
    batch, _, tokens, _ = keys.shape
    leaders, joiners, targets = (keys.new_empty(batch, count, dtype=torch.int64) for count in (tokens - r, r, r))
    totals, shares = keys.new_empty(batch, tokens - r), keys.new_empty(batch, r)
    plan = leaders, joiners, targets, totals, shares
    sizes = keys.new_empty(batch, 0) if sizes is None else sizes
    _loops().decide(keys.transpose(1, 2).numpy(), sizes.numpy(), padding, r, protected, *_arrays(*plan))
    return plan


def mean(part: Tensor) -> Tensor:
    """The mean over the heads, (batch, heads, tokens, channels) to (batch, tokens, channels)."""
    batch, _, tokens, channels = part.shape
    out = part.new_empty(batch, tokens, channels)
    _loops().mean(part.transpose(1, 2).numpy(), out.numpy())
    return out


def match(metric: Tensor, r: int, protected: int, padded: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Leaders, joiners and targets of the plan that `match_bipartite` makes; r is capped already and not 0."""
    batch, tokens, _ = metric.shape
    leaders, joiners, targets = (metric.new_empty(batch, count, dtype=torch.int64) for count in (tokens - r, r, r))
    padding = metric.new_empty(batch, 0, dtype=torch.bool) if padded is None else padded
    _loops().match(metric.numpy(), padding.numpy(), r, protected, *_arrays(leaders, joiners, targets))
    return leaders, joiners, targets


def share(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """See `MergePlan.share`."""
    totals, shares = sizes.new_empty(leaders.shape), sizes.new_empty(joiners.shape)
    _loops().share(*_arrays(sizes, leaders, joiners, targets, totals, shares))
    return totals, shares


def merge(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """See `MergePlan.merge`."""
    out = x.new_empty(*leaders.shape, x.shape[2])
    _loops().merge(*_arrays(x, leaders, joiners, targets, shares, out))
    return out


def follow(groups: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> None:
    """Follow a merge: the group of each first token, in place, becomes the group that it goes into."""
    _loops().follow(*_arrays(groups, leaders, joiners, targets))


@cache
def _loops() -> Any:
    """The module of loops, or None where numba is installed but broken."""
    try:
        from hf_tome.core.ops import loops  # imports numba
    except (ImportError, OSError, AttributeError) as error:  # what a numpy, a Python or a library that misfits raises
        what = f"numba is installed, but its import fails: {error}."
        warn(f"{what} Torch does its work. `hf-tome doctor` says more.", stacklevel=2)
        return None
    return loops


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.numpy() for tensor in tensors]
