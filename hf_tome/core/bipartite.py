"""Bipartite soft matching on a plain tensor, without a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from hf_tome.core import ops
from hf_tome.core.plan import MergePlan
from hf_tome.core.schedule import max_merge

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def match_bipartite(
    metric: Float[Tensor, "batch tokens channels"],
    r: int,
    protected: int = 0,
    padded: Bool[Tensor, "batch tokens"] | None = None,
) -> MergePlan | None:
    """Plan the merge of the r most similar pairs between every other token and its best match.

    See `hf_tome.core.ops.decide` for the method, and the order of the groups.

    Args:
        metric: what similarity is measured on; in ToMe the keys, averaged over the heads. Any float dtype.
        r: how many tokens to remove; capped at `max_merge(tokens, protected)`.
        protected: how many tokens at the front never merge (class, distillation, register tokens).
        padded: True where a token is padding. Padding merges first, and real tokens avoid it.

    Returns:
        The plan, with tokens - r groups, or None if nothing is to be merged. No gradient flows through it.
    """
    r = min(r, max_merge(metric.shape[1], protected))
    if r <= 0:
        return None
    sizes = None if padded is None else (~padded).float()
    decided = ops.decide(metric.detach().unsqueeze(1), sizes, padded is not None, r, protected)
    return MergePlan(*decided[:3])
