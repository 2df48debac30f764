"""What a merge does, as a few index lists that any tensor can follow, forwards and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops import fused, small

if TYPE_CHECKING:
    from jaxtyping import Float, Int

HALVES = (torch.float16, torch.bfloat16)


@dataclass(frozen=True, eq=False)
class MergePlan:
    """Which tokens lead the groups after the merge, and which of the others join them.

    Decided once, it can be applied to any tensor of the same tokens: features, sizes, positions. Most groups are one
    token, so a merge copies the leaders and touches only the `r` tokens that join one.

    Attributes:
        leaders: (batch, groups) int64, the token that leads each group, in the order of the groups.
        joiners: (batch, r) int64, the tokens that merge away. Leaders and joiners together are all tokens, each once.
        targets: (batch, r) int64, the group that each joiner goes into.
    """

    leaders: Int[Tensor, "batch groups"]
    joiners: Int[Tensor, "batch r"]
    targets: Int[Tensor, "batch r"]

    @classmethod
    def joining(cls, joiners: Int[Tensor, "batch r"], onto: Int[Tensor, "batch r"], tokens: int) -> MergePlan:
        """The plan in which some tokens join others; the rest stay as they are, in index order.

        Args:
            joiners: the tokens that merge away.
            onto: the token that each of them goes into; none of these may be a joiner itself.
            tokens: how many tokens there are.
        """
        joins = torch.zeros(len(joiners), tokens, dtype=torch.bool, device=joiners.device).scatter_(1, joiners, True)
        leaders = joins.to(torch.int8).argsort(dim=1, stable=True)[:, : tokens - joiners.shape[1]]
        place = (~joins).cumsum(dim=1) - 1
        return cls(leaders, joiners, place.gather(1, onto))

    @property
    def count(self) -> int:
        """Number of groups, which is the number of tokens after the merge."""
        return self.leaders.shape[1]

    @property
    def groups(self) -> Int[Tensor, "batch tokens"]:
        """The group of each token."""
        batch, count = self.leaders.shape
        groups = self.leaders.new_empty(batch, count + self.joiners.shape[1])
        numbers = torch.arange(count, device=groups.device).expand(batch, -1)
        return groups.scatter_(1, self.leaders, numbers).scatter_(1, self.joiners, self.targets)

    def share(self, sizes: Float[Tensor, "batch tokens"]) -> tuple[Float[Tensor, "batch groups"], Tensor]:
        """The sizes after the merge, and the share that each joiner has in its group.

        A share is at most 1, so that a weighted sum cannot overflow in half precision. In a group of padding alone
        (size 0) the leader has the whole share.

        Returns:
            The size of each group, (batch, groups), and size / size of its group for each joiner, (batch, r).
        """
        kernels = _kernels(sizes)
        if kernels is not None:
            return kernels.share(sizes, self.leaders, self.joiners, self.targets)
        joining = sizes.gather(1, self.joiners)
        totals = sizes.gather(1, self.leaders).scatter_add_(1, self.targets, joining)
        return totals, joining / totals.gather(1, self.targets).clamp_min_(torch.finfo(totals.dtype).tiny)

    def merge(
        self, x: Float[Tensor, "batch tokens features"], shares: Float[Tensor, "batch r"]
    ) -> Float[Tensor, "batch groups features"]:
        """The weighted mean of each group (ToMe, section 3, "tracking token size").

        The shares of a group sum to 1, so its mean is leader + sum of share * (joiner - leader) over its joiners.

        Args:
            x: features of the tokens before the merge.
            shares: the share of each joiner in its group, from `share`.
        """
        kernels = _kernels(x)
        if kernels is not None:
            return kernels.merge(x, self.leaders, self.joiners, self.targets, shares)
        batch, tokens, features = x.shape
        flat, targets = x.reshape(-1, features), _rows(self.targets, self.count)
        out = flat.index_select(0, _rows(self.leaders, tokens))
        joining, leading = flat.index_select(0, _rows(self.joiners, tokens)), out.index_select(0, targets)
        if x.dtype in HALVES:  # the difference of two such values can overflow
            joining, leading = joining.float(), leading.float()
        step = (joining - leading) * shares.to(joining.dtype).reshape(-1, 1)
        return out.index_add_(0, targets, step.to(x.dtype)).view(batch, self.count, features)

    def unmerge(self, x: Float[Tensor, "batch groups *features"]) -> Float[Tensor, "batch tokens *features"]:
        """A copy of its group's value for each token: the opposite direction of `merge`."""
        return spread(x, self.groups)


def spread(
    x: Float[Tensor, "batch groups *features"], groups: Int[Tensor, "batch tokens"]
) -> Float[Tensor, "batch tokens *features"]:
    """A copy of its group's value for each token."""
    return _take(x, groups)


def compose(plans: Iterable[MergePlan | None]) -> Int[Tensor, "batch tokens"] | None:
    """The group of each first token after several merges, one after the other.

    Args:
        plans: the merges; None stands for a layer that merges nothing.

    Returns:
        (batch, tokens) int64, or None where nothing merges.
    """
    whole: Tensor | None = None
    for plan in plans:
        if plan is None:
            continue
        if whole is None:
            whole = plan.groups
        elif small.plain(whole):
            small.follow(whole, plan.leaders, plan.joiners, plan.targets)
        else:
            whole = plan.groups.gather(1, whole)
    return whole


def _kernels(x: Tensor) -> ModuleType | None:
    """The compiled kernels that take this tensor, or None for torch's operations."""
    if fused.fits(x):
        return fused
    return small if small.fits(x) else None


def _rows(index: Int[Tensor, "batch n"], tokens: int) -> Int[Tensor, " rows"]:
    """Where the tokens of `index` stand in a tensor flattened to (batch * tokens, ...)."""
    if len(index) == 1:
        return index[0]
    return (index + torch.arange(0, len(index) * tokens, tokens, device=index.device)[:, None]).reshape(-1)


def _take(x: Float[Tensor, "batch tokens *features"], index: Int[Tensor, "batch n"]) -> Tensor:
    """The tokens of `index`, (batch, n, ...). Copies whole rows, which is many times faster than an expanded gather."""
    if x.ndim == 2:
        return x.gather(1, index)
    batch, tokens, *features = x.shape
    return x.reshape(-1, *features).index_select(0, _rows(index, tokens)).view(*index.shape, *features)
