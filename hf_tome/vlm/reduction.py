"""Which visual tokens of a prompt stay, and what becomes of their features."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.reference import exact

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, eq=False)
class Reduction:
    """Fewer rows than before, in their old order.

    Attributes:
        leaders: (kept,) int64, the rows that stay, rising.
        groups: (rows,) int64, the kept row that each row goes into; None where the others are dropped.
    """

    leaders: Int[Tensor, " kept"]
    groups: Int[Tensor, " rows"] | None = None

    def apply(self, x: Float[Tensor, "rows channels"]) -> Float[Tensor, "kept channels"]:
        """The features of the rows that stay: each the mean of its group, summed in at least float32."""
        if self.groups is None:
            return x[self.leaders]
        rows = exact(x)
        sums = rows.new_zeros(len(self.leaders), x.shape[1]).index_add(0, self.groups, rows)
        counts = torch.bincount(self.groups, minlength=len(self.leaders))
        return (sums / counts[:, None]).to(x.dtype)

    def beside(self, others: Bool[Tensor, " all"]) -> Reduction:
        """The same reduction, with other rows between these, which all stay."""
        rows, kept = (~others).nonzero()[:, 0], others.clone()
        kept[rows[self.leaders]] = True
        if self.groups is None:
            return Reduction(kept.nonzero()[:, 0])
        groups = kept.cumsum(0) - 1
        groups[rows] = groups[rows[self.leaders]][self.groups]
        return Reduction(kept.nonzero()[:, 0], groups)

    def lengths(self, parts: Iterable[int]) -> list[int]:
        """How many rows stay of each of consecutive parts of the rows."""
        ends = torch.tensor([0, *parts], device=self.leaders.device).cumsum(0)
        return torch.searchsorted(self.leaders, ends).diff().tolist()


def join(reductions: list[Reduction], parts: list[int]) -> Reduction:
    """One reduction of all rows from those of their consecutive parts, of which all merge or none does."""
    leaders, groups, rows, kept = [], [], 0, 0
    for reduction, length in zip(reductions, parts, strict=True):
        leaders.append(reduction.leaders + rows)
        if reduction.groups is not None:
            groups.append(reduction.groups + kept)
        rows, kept = rows + length, kept + len(reduction.leaders)
    return Reduction(torch.cat(leaders), torch.cat(groups) if groups else None)
