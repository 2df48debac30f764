"""How similar two tokens are (ToMe, table 1b). Whatever the name, a larger score is more similar."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops import reference
from hf_tome.core.ops.exporting import exporting
from hf_tome.core.options.registry import Registry

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

# Scores of `a` (batch, m, channels) with `b` (batch, n, channels): (batch, m, n). The mask (batch, n) is True for
# padding in `b`, which must not count in the scores of others. The caller overwrites the scores of padding itself.
Distance = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]


def cosine(a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Tensor | None = None) -> Tensor:
    """The cosine of the angle between them. The paper's choice."""
    return reference.dot(reference.unit(a), reference.unit(b))


def euclidean(a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Tensor | None = None) -> Tensor:
    """Minus their distance."""
    a, b = reference.exact(a), reference.exact(b)
    if exporting():  # ONNX has no cdist
        return -torch.linalg.vector_norm(a[:, :, None] - b[:, None], dim=-1)
    with reference.outside_autocast(a.device.type):
        return -torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def dot(a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Tensor | None = None) -> Tensor:
    """Their dot product."""
    return reference.dot(reference.exact(a), reference.exact(b))


def softmax(
    a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Bool[Tensor, "batch n"] | None = None
) -> Tensor:
    """The log of the softmax, over all of `b`, of the dot product scaled as in attention.

    The log has the order of the softmax itself, and does not tie where that rounds to 1.
    """
    scores = dot(a, b) * a.shape[-1] ** -0.5
    if hidden is not None:
        scores = scores.masked_fill(hidden[:, None], -torch.inf)
    return scores.log_softmax(dim=-1)


DISTANCES: Registry[Distance] = Registry(
    "distance", {"cosine": cosine, "euclidean": euclidean, "dot": dot, "softmax": softmax}
)
