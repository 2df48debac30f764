"""What a group of tokens becomes (ToMe, table 1d)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.options.registry import Registry
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from jaxtyping import Float

Sizes = Tensor  # (batch, tokens): original tokens in each, 0 for padding
Shares = Tensor  # (batch, r): the share of each joiner in its group


@dataclass(frozen=True)
class Combine:
    """One way to combine the tokens of a group.

    Attributes:
        share: the sizes of the groups, and the share of each joiner.
        merge: the merged features, of plan, features, sizes and shares.
    """

    share: Callable[[MergePlan, Sizes], tuple[Tensor, Shares]]
    merge: Callable[[MergePlan, Tensor, Sizes | None, Shares], Tensor]


def by_size(plan: MergePlan, sizes: Sizes) -> tuple[Tensor, Shares]:
    """A token counts as many times as it has original tokens. The paper's choice."""
    return plan.share(sizes)


def alike(plan: MergePlan, sizes: Sizes) -> tuple[Tensor, Shares]:
    """Each token of a group counts once, padding not at all."""
    return plan.share(sizes)[0], plan.share((sizes > 0).to(sizes.dtype))[1]


def leader_alone(plan: MergePlan, sizes: Sizes) -> tuple[Tensor, Shares]:
    """Only the leader counts: what joins it is dropped. Where the leader is padding, those that join it count."""
    totals, shares = plan.share(sizes)
    padded = (sizes == 0).gather(1, plan.leaders).gather(1, plan.targets)
    return totals, shares * padded


def mean(plan: MergePlan, x: Tensor, sizes: Sizes | None, shares: Shares) -> Float[Tensor, "batch groups features"]:
    """The mean by the shares."""
    return plan.merge(x, shares)


def largest(plan: MergePlan, x: Tensor, sizes: Sizes | None, shares: Shares) -> Float[Tensor, "batch groups features"]:
    """The largest value of each feature, without padding."""
    return _largest(plan, x, sizes)


def mlerp(plan: MergePlan, x: Tensor, sizes: Sizes | None, shares: Shares) -> Float[Tensor, "batch groups features"]:
    """The mean by the shares, at the length of the longest member (MLERP, ToFu, arXiv 2312.01026).

    A mean of different directions is shorter than its members; this keeps the lengths that the model knows.
    """
    merged, dtype = plan.merge(x, shares), torch.promote_types(x.dtype, torch.float32)
    length = torch.linalg.vector_norm(merged, dim=-1, keepdim=True, dtype=dtype)
    longest = _largest(plan, torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=dtype), sizes)
    alone = torch.ones_like(plan.leaders, dtype=torch.bool).scatter_(1, plan.targets, False)[..., None]
    return torch.where(alone, merged, merged * (longest / length.clamp_min(1e-12)).to(x.dtype))


def _largest(plan: MergePlan, x: Tensor, sizes: Sizes | None) -> Tensor:
    least = torch.finfo(x.dtype).min
    index = [each[..., None].expand(-1, -1, x.shape[2]) for each in (plan.leaders, plan.joiners, plan.targets)]
    leading = x.gather(1, index[0])
    real = x if sizes is None else x.masked_fill((sizes == 0)[..., None], least)
    out = real.gather(1, index[0]).scatter_reduce(1, index[2], real.gather(1, index[1]), "amax")
    return out if sizes is None else torch.where(out == least, leading, out)  # a group of padding alone


COMBINES: Registry[Combine] = Registry(
    "combine",
    {
        "weighted_mean": Combine(by_size, mean),
        "mean": Combine(alike, mean),
        "max": Combine(by_size, largest),
        "keep": Combine(leader_alone, mean),
        "mlerp": Combine(by_size, mlerp),
    },
)
