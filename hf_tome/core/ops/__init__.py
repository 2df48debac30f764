"""The operations of a merge, and the one place that chooses what computes them.

`decide`, `share`, `merge` and `follow` are written three times, with the same results: `reference` in torch, for every
tensor; `gpu` as Triton kernels; `loops` compiled by numba, for small inputs on a CPU. A plan travels as three index
tensors, see `core.plan.MergePlan`:

    leaders (batch, groups), joiners (batch, r), targets (batch, r): int64
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias
from warnings import warn

import torch
from torch import Tensor
from torch._C import (
    _functorch,  # pyright: ignore[reportAttributeAccessIssue]
    _get_tracing_state,
    _len_torch_dispatch_stack,  # pyright: ignore[reportAttributeAccessIssue]
)
from torch.autograd import forward_ad

from hf_tome.core.ops import gpu, reference

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Leaders: TypeAlias = Int[Tensor, "batch groups"]
    Joiners: TypeAlias = Int[Tensor, "batch r"]

HAS_NUMBA = find_spec("numba") is not None
MOST_VALUES = 2**19  # of a tensor: beyond, torch's threads win over a loop
MOST_PRODUCTS = 2**21  # of a matching, for the same reason


def decide(
    metric: Float[Tensor, "batch heads tokens channels"],
    sizes: Float[Tensor, "batch tokens"] | None,
    padding: bool,
    r: int,
    protected: int,
) -> tuple[Leaders, Joiners, Joiners, Float[Tensor, "batch groups"], Float[Tensor, "batch r"]]:
    """Bipartite soft matching (ToMe, section 3 and appendix D), and the sizes after it.

    Tokens are compared by the cosine of `metric`, averaged over its heads. Even positions are sources, odd ones are
    destinations. Each source proposes its most similar destination, the r best proposals are merged, and equal ones
    are taken in index order. Padding merges first, and real tokens avoid it.

    Args:
        metric: in ToMe the keys.
        sizes: original tokens in each token, float32, 0 for padding; None where each is 1.
        padding: whether a size may be 0.
        r: tokens to remove, at least 1 and at most half of those that are not protected.
        protected: tokens at the front that never merge.

    Returns:
        leaders, joiners, targets, and what `share` returns. The order of the groups is: the protected tokens; the
        sources that stay, in index order where a token is protected, else by falling similarity; the destinations.
    """
    batch, _, tokens, channels = metric.shape
    return backend(metric, batch * tokens**2 * channels // 4).decide(metric, sizes, padding, r, protected)


def share(
    sizes: Float[Tensor, "batch tokens"], leaders: Leaders, joiners: Joiners, targets: Joiners
) -> tuple[Float[Tensor, "batch groups"], Float[Tensor, "batch r"]]:
    """The size of each group, and the share that each joiner has in its group.

    A share is at most 1, so that a weighted sum cannot overflow in half precision. In a group of padding alone (size
    0) the leader has the whole share.
    """
    return backend(sizes).share(sizes, leaders, joiners, targets)


def merge(
    x: Float[Tensor, "batch tokens features"],
    leaders: Leaders,
    joiners: Joiners,
    targets: Joiners,
    shares: Float[Tensor, "batch r"],
) -> Float[Tensor, "batch groups features"]:
    """The weighted mean of each group (ToMe, section 3, "tracking token size").

    The shares of a group sum to 1, so its mean is leader + sum of share * (joiner - leader) over its joiners.
    """
    return backend(x).merge(x, leaders, joiners, targets, shares)


def follow(
    groups: Int[Tensor, "batch first"], leaders: Leaders, joiners: Joiners, targets: Joiners
) -> Int[Tensor, "batch first"]:
    """The group of each first token after one more merge. May write on `groups`."""
    return backend(groups).follow(groups, leaders, joiners, targets)


def backend(x: Tensor, products: int = 0) -> Any:
    """What computes on this tensor: `gpu`, `loops` or `reference`.

    Loops see no single operations. So gradients, `torch.compile`, an export, `torch.func` and all that records
    operations get torch's. This is one expression since between matrix products each call finds cold caches.

    Args:
        x: what the operation reads.
        products: multiply-adds that it takes.
    """
    if gpu.takes(x):
        return gpu
    if (
        HAS_NUMBA
        and not torch.compiler.is_compiling()
        and type(x) is Tensor
        and x.is_cpu
        and x.dtype in (torch.float32, torch.int64)
        and not x.requires_grad
        and x.numel() <= MOST_VALUES
        and products <= MOST_PRODUCTS
        and _get_tracing_state() is None  # torch.jit.trace
        and _len_torch_dispatch_stack() == 0  # make_fx, fake tensors, counters of operations
        and forward_ad._current_level < 0
        and not _functorch.is_functorch_wrapped_tensor(x)
    ):
        return _loops() or reference
    return reference


@cache
def _loops() -> Any:
    """The module of loops, or None where numba is installed but broken."""
    try:
        from hf_tome.core.ops import loops
    except (ImportError, OSError, AttributeError) as error:  # raised where numba does not fit numpy or Python
        what = f"numba is installed, but its import fails: {error}."
        warn(f"{what} Torch does its work. `hf-tome doctor` says more.", stacklevel=2)
        return None
    return loops
