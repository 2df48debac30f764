"""What a merge does, as one group-index map that any tensor can follow, forwards and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class MergePlan:
    """Which of `count` groups each token joins.

    The map is decided once and can be applied to any tensor of the same tokens: features, sizes, positions.

    Attributes:
        groups: (batch, tokens) int64, the group of each token. Every group has at least one member.
        count: number of groups, which is the number of tokens after the merge.
    """

    groups: Int[Tensor, "batch tokens"]
    count: int

    def total(self, x: Float[Tensor, "batch tokens *features"]) -> Float[Tensor, "batch groups *features"]:
        """The sum over each group. Applied to sizes (batch, tokens) it gives the sizes after the merge."""
        batch, tokens = self.groups.shape
        rows = self.groups + torch.arange(batch, device=x.device).mul_(self.count)[:, None]
        flat = x.reshape(batch * tokens, *x.shape[2:])
        out = flat.new_zeros(batch * self.count, *x.shape[2:])
        return out.index_add(0, rows.reshape(-1), flat).view(batch, self.count, *x.shape[2:])

    def weights(
        self, sizes: Float[Tensor, "batch tokens"], totals: Float[Tensor, "batch groups"]
    ) -> Float[Tensor, "batch tokens"]:
        """The share of each token in its group, size / size of the group (`totals`, as `total(sizes)` gives it).

        At most 1, so that a weighted sum cannot overflow in half precision. A group of padding alone (size 0) has
        no share at all: its weights are 0, not NaN.
        """
        return sizes / totals.clamp_min(torch.finfo(totals.dtype).tiny).gather(1, self.groups)

    def merge(
        self, x: Float[Tensor, "batch tokens features"], weights: Float[Tensor, "batch tokens"]
    ) -> Float[Tensor, "batch groups features"]:
        """The weighted mean of each group (ToMe, section 3, "tracking token size").

        Args:
            x: features of the tokens before the merge.
            weights: the share of each token in its group, from `weights`.
        """
        return self.total(x * weights.to(x.dtype)[..., None])

    def unmerge(self, x: Float[Tensor, "batch groups *features"]) -> Float[Tensor, "batch tokens *features"]:
        """A copy of its group's value for each token: the opposite direction of `merge`."""
        index = self.groups.view(*self.groups.shape, *(1,) * (x.ndim - 2)).expand(-1, -1, *x.shape[2:])
        return x.gather(1, index)


def compose(plans: Iterable[MergePlan | None]) -> MergePlan | None:
    """One plan that does what several plans do one after the other. `None` stands for a layer that merges nothing."""
    whole: MergePlan | None = None
    for plan in plans:
        if plan is not None and whole is not None:
            whole = MergePlan(plan.groups.gather(1, whole.groups), plan.count)
        elif plan is not None:
            whole = plan
    return whole
