"""A merge as index tensors, which can be applied to any tensor of the same tokens, and undone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core import ops
from hf_tome.core.ops import reference
from hf_tome.core.ops.order import falling

if TYPE_CHECKING:
    from jaxtyping import Float, Int


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
        """The plan in which each token of `joiners` merges into that of `onto`, which may be no joiner itself.

        All other tokens stay as they are, in index order; `tokens` is the number of all.
        """
        joins = torch.zeros(joiners.shape[0], tokens, dtype=torch.bool, device=joiners.device).scatter_(
            1, joiners, True
        )
        leaders = falling((~joins).to(torch.int8))[:, : tokens - joiners.shape[1]]
        place = (~joins).cumsum(dim=1) - 1
        return cls(leaders, joiners, place.gather(1, onto))

    @property
    def count(self) -> int:
        """Number of groups, which is the number of tokens after the merge."""
        return self.leaders.shape[1]

    @property
    def indices(self) -> tuple[Tensor, Tensor, Tensor]:
        """Leaders, joiners and targets, as `core.ops` takes them."""
        return self.leaders, self.joiners, self.targets

    @property
    def groups(self) -> Int[Tensor, "batch tokens"]:
        """The group of each token."""
        return ops.compose(*([part] for part in self.indices))

    def share(self, sizes: Float[Tensor, "batch tokens"]) -> tuple[Float[Tensor, "batch groups"], Tensor]:
        """The size of each group, and the share (batch, r) that each joiner has in its group. See `ops.share`."""
        return ops.share(sizes, *self.indices)

    def merge(
        self,
        x: Float[Tensor, "batch tokens features"],
        shares: Float[Tensor, "batch r"],
        residual: Float[Tensor, "batch tokens features"] | None = None,
    ) -> Float[Tensor, "batch groups features"]:
        """The weighted mean of each group, with the shares from `share`. See `ops.merge`."""
        return ops.merge(x, *self.indices, shares, residual)

    def then(self, later: MergePlan) -> MergePlan:
        """One plan that does what this one and a later one, of its groups, do."""
        return MergePlan(
            self.leaders.gather(1, later.leaders),
            torch.cat([self.joiners, self.leaders.gather(1, later.joiners)], dim=1),
            torch.cat([later.groups.gather(1, self.targets), later.targets], dim=1),
        )

    def unmerge(self, x: Float[Tensor, "batch groups *features"]) -> Float[Tensor, "batch tokens *features"]:
        """A copy of its group's value for each token: the opposite direction of `merge`."""
        return spread(x, self.groups)


def spread(
    x: Float[Tensor, "batch groups *features"], groups: Int[Tensor, "batch tokens"]
) -> Float[Tensor, "batch tokens *features"]:
    """A copy of its group's value for each token. Whole rows are copied, which is faster than an expanded gather."""
    if x.ndim == 2:
        return x.gather(1, groups)
    batch, count, *features = x.shape
    return x.reshape(-1, *features).index_select(0, reference.rows(groups, count)).view(*groups.shape, *features)


def compose(plans: Iterable[MergePlan | None]) -> Int[Tensor, "batch tokens"] | None:
    """The final group of each original token after several merges in a row.

    Args:
        plans: the merges; None stands for a layer that merges nothing.

    Returns:
        (batch, tokens) int64, or None where nothing merges.
    """
    indices = [plan.indices for plan in plans if plan is not None]
    return ops.compose(*zip(*indices, strict=True)) if indices else None
