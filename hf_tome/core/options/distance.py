"""How similar two tokens are (ToMe, table 1b). Whatever the name, a larger score is more similar."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.options.registry import Registry

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

# Scores of `a` (batch, m, channels) with `b` (batch, n, channels): (batch, m, n). The mask (batch, n) names tokens of
# `b` that must not count in the scores of others: padding. Their own scores are the caller's business.
Distance = Callable[[Tensor, Tensor, "Tensor | None"], Tensor]


def unit(metric: Tensor) -> Tensor:
    """The metric at length 1, in at least float32 whatever the model's dtype: bf16 similarities tie by the dozen."""
    exact = metric if metric.dtype == torch.float64 else metric.float()
    return exact / torch.linalg.vector_norm(exact, dim=-1, keepdim=True).clamp_min_(1e-12)  # a zero key: no NaN, but 0


def cosine(a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Tensor | None = None) -> Tensor:
    """The cosine of the angle between them. The paper's choice."""
    return dot(unit(a), unit(b))


def euclidean(a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Tensor | None = None) -> Tensor:
    """Minus their distance."""
    a, b = _exact(a), _exact(b)
    with outside_autocast(a.device.type):
        return -torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def dot(a: Float[Tensor, "batch m c"], b: Float[Tensor, "batch n c"], hidden: Tensor | None = None) -> Tensor:
    """Their dot product."""
    a, b = _exact(a), _exact(b)
    with outside_autocast(a.device.type):
        return a @ b.transpose(-1, -2)


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


def outside_autocast(device: str) -> AbstractContextManager:
    """Autocast would round the similarities to half precision, whatever the dtype of the keys."""
    active = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if active else nullcontext()


def _exact(metric: Tensor) -> Tensor:
    return metric if metric.dtype == torch.float64 else metric.float()


DISTANCES: Registry[Distance] = Registry(
    "distance", {"cosine": cosine, "euclidean": euclidean, "dot": dot, "softmax": softmax}
)
