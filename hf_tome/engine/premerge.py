"""Merging before the first layer, by what tokens show, little by their positions: for inputs that repeat themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core import MergePlan, max_merge
from hf_tome.core.ops import reference
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float

    from hf_tome.engine.state import Forward

ROUND = 8  # in a round one token of so many merges at most: few that differ must, and groups can grow
OFF = 0.9  # share of the positions that is taken off. With none left, equal tokens merge across any distance


@dataclass(frozen=True, eq=False)
class Premerge:
    """The merge before the first layer in one forward.

    Attributes:
        plan: of the merge.
        shares: (batch, r) share of each joiner in its group.
        totals: (batch, groups) float32 sizes after it.
        offsets: (batch, tokens, channels) of each token from its group, for restore="residual"; else None.
    """

    plan: MergePlan
    shares: Float[Tensor, "batch r"]
    totals: Float[Tensor, "batch groups"]
    offsets: Float[Tensor, "batch tokens channels"] | None

    def merge(self, x: Float[Tensor, "batch tokens features"]) -> Float[Tensor, "batch groups features"]:
        """The mean of each group, weighted by size."""
        return self.plan.merge(x, self.shares)

    def then(self, plan: MergePlan | None, offsets: Tensor | None) -> tuple[MergePlan, Tensor | None]:
        """Plan and offsets of this merge and that of the first layer together, from those of the layer."""
        if plan is None:
            return self.plan, self.offsets
        both = None if offsets is None or self.offsets is None else self.offsets + self.plan.unmerge(offsets)
        return self.plan.then(plan), both


def premerge(state: Forward, x: Float[Tensor, "batch tokens channels"]) -> Premerge | None:
    """Decide which embedded tokens merge before the first layer; None where none are to.

    Bipartite matching as in a layer, but by the Euclidean distance of the tokens with a tenth of their positions, and
    in rounds: each works on the means of the last.

    Args:
        state: of the forward.
        x: its embedded tokens, with their positions.

    Raises:
        ToMeValueError: if the tower has not as many positions as tokens, as with masked or larger inputs.
    """
    rest, protected = state.settings.premerged(x.shape[1]), state.settings.family.protected
    if rest == 0 or state.table is None:
        return None
    if state.table.shape[-2] != x.shape[1]:
        rule = f"premerge takes inputs of the size that the model has positions for: {state.table.shape[-2]} tokens."
        raise ToMeValueError(complaint(rule, f"{x.shape[1]} tokens", "Leave premerge out."))
    sizes = x.new_ones(x.shape[:2], dtype=torch.float32) if state.sizes is None else state.sizes
    shown, own, plan = (
        (x - OFF * state.table.to(x)).detach().to(torch.promote_types(x.dtype, torch.float32)),
        sizes,
        None,
    )
    while rest > 0:
        tokens = shown.shape[1]
        r = min(rest, max(1, (tokens - protected) // ROUND), max_merge(tokens, protected))
        found = _matched(shown, own, state.padding, r, protected)
        own, shares = found.share(own)
        shown, rest, plan = found.merge(shown, shares), rest - r, found if plan is None else plan.then(found)
    assert plan is not None
    totals, shares = plan.share(sizes)
    residual = state.settings.config.restore == "residual"
    return Premerge(plan, shares, totals, x - plan.unmerge(plan.merge(x, shares)) if residual else None)


def _matched(
    shown: Float[Tensor, "batch tokens channels"],
    sizes: Float[Tensor, "batch tokens"],
    padding: bool,
    r: int,
    protected: int,
) -> MergePlan:
    """The r nearest pairs of a source and a destination, which alternate."""
    odd, place = protected % 2, torch.arange(shown.shape[1], device=shown.device).expand(len(shown), -1)
    sources, destinations = slice(protected + odd, None, 2), slice(protected + 1 - odd, None, 2)
    padded = (sizes[:, sources] == 0, sizes[:, destinations] == 0) if padding else None
    similarity, best = reference.nearest(_near, shown[:, sources], shown[:, destinations], padded)
    return MergePlan(*reference.select(similarity, best, place[:, sources], place[:, destinations], r, protected))


def _near(a: Float[Tensor, "batch m channels"], b: Float[Tensor, "batch n channels"]) -> Float[Tensor, "batch m n"]:
    """Minus the squared distance, by a product of matrices."""
    return 2 * reference.dot(a, b) - a.square().sum(-1)[:, :, None] - b.square().sum(-1)[:, None]
