"""The operations of a merge, and the one place that chooses what computes them.

`decide`, `share`, `merge` and `compose` are written twice, with the same results: in torch for every tensor
(`reference`), and as Triton kernels (`gpu`). `merge_norm` is a kernel alone. A plan is passed as three index tensors,
see `core.plan.MergePlan`:

    leaders (batch, groups), joiners (batch, r), targets (batch, r): int64
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

from torch import Tensor, nn

from hf_tome.core.ops import gpu, reference
from hf_tome.core.ops.plain_norm import is_plain

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Leaders: TypeAlias = Int[Tensor, "batch groups"]
    Joiners: TypeAlias = Int[Tensor, "batch r"]
    LogSizes: TypeAlias = Float[Tensor, "batch 1 1 groups"]


def decide(
    metric: Float[Tensor, "batch heads tokens channels"],
    sizes: Float[Tensor, "batch tokens"] | None,
    padding: bool,
    r: int,
    protected: int,
) -> tuple[Leaders, Joiners, Joiners, Float[Tensor, "batch groups"], Float[Tensor, "batch r"], LogSizes]:
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
        leaders, joiners, targets, what `share` returns, and the logarithm of the sizes as an attention mask in the
        metric's dtype. The order of the groups is: the protected tokens; the sources that stay, in index order where a
        token is protected, else by falling similarity; the destinations.
    """
    return backend(metric).decide(metric, sizes, padding, r, protected)


def share(
    sizes: Float[Tensor, "batch tokens"], leaders: Leaders, joiners: Joiners, targets: Joiners
) -> tuple[Float[Tensor, "batch groups"], Float[Tensor, "batch r"]]:
    """The size of each group, and the share that each joiner has in its group.

    A share is at most 1, so that a weighted sum cannot overflow in half precision. In a group of padding alone (size 0)
    the leader has the whole share.
    """
    return backend(sizes).share(sizes, leaders, joiners, targets)


def merge(
    x: Float[Tensor, "batch tokens features"],
    leaders: Leaders,
    joiners: Joiners,
    targets: Joiners,
    shares: Float[Tensor, "batch r"],
    residual: Float[Tensor, "batch tokens features"] | None = None,
) -> Float[Tensor, "batch groups features"]:
    """The weighted mean of each group (ToMe, section 3, "tracking token size") in x, or in x + residual.

    The shares of a group sum to 1, so its mean is leader + sum of share * (joiner - leader) over its joiners.
    """
    return backend(x).merge(x, leaders, joiners, targets, shares, residual)


def adds(x: Tensor, residual: Tensor) -> bool:
    """Whether `merge` should add the residual itself: on a GPU, where that saves a launch and a pass over memory."""
    return gpu.takes(x) and x.dtype == residual.dtype and x.shape == residual.shape


def merge_norm(
    x: Float[Tensor, "batch tokens features"],
    leaders: Leaders,
    joiners: Joiners,
    targets: Joiners,
    shares: Float[Tensor, "batch r"],
    residual: Float[Tensor, "batch tokens features"],
    norm: nn.LayerNorm,
) -> tuple[Float[Tensor, "batch groups features"], Float[Tensor, "batch groups features"]]:
    """`merge` of x + residual, and `norm` of that, in one launch. Where `adds` and `norms` say so."""
    plan = leaders, joiners, targets
    return gpu.merge_norm(x, *plan, shares, residual, norm.weight, norm.bias, norm.eps)[:2]


def norms(norm: nn.Module | None, x: Tensor) -> TypeGuard[nn.LayerNorm]:
    """Whether `merge_norm` gives what calling this module on tokens like x would."""
    return is_plain(norm, x) and x.shape[-1] <= gpu.WIDEST_NORM


def compose(
    leaders: Sequence[Leaders], joiners: Sequence[Joiners], targets: Sequence[Joiners]
) -> Int[Tensor, "batch first"]:
    """The final group of each original token after one or more merges in a row."""
    return backend(leaders[0]).compose(leaders, joiners, targets)


def backend(x: Tensor) -> ModuleType:
    """The module that computes on this tensor: `gpu` or `reference`."""
    return gpu if gpu.takes(x) else reference
