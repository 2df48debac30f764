"""How important a layer's attention says that its tokens are. For matchings that drop the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

STEPS = 10  # of the walk; Zero-TPrune takes 30 to 50 in the first layer and 1 in the last ones

# From the weights (batch, heads, queries, tokens) and the number of protected tokens: (batch, tokens).
Importance = Callable[[Tensor, int], Tensor]


def received(weights: Float[Tensor, "batch heads queries tokens"], protected: int) -> Float[Tensor, "batch tokens"]:
    """The attention that each token gets from the protected ones, or from all where none is; mean over the heads."""
    return weights[:, :, : protected or None].float().mean(dim=(1, 2))


def page_rank(weights: Float[Tensor, "batch heads tokens tokens"], protected: int) -> Float[Tensor, "batch tokens"]:
    """Page rank: attention from important tokens makes a token important. A power iteration over the weights.

    Each head iterates by itself; the result is their root mean square, so that a token that is important to one head
    is not lost (Zero-TPrune, arXiv 2305.17328, section 3.2, without its choice among heads).
    """
    weights = weights.float()
    rank = weights.mean(dim=2, keepdim=True)  # the first step, from all tokens alike: (batch, heads, 1, tokens)
    for _ in range(STEPS - 1):
        rank = rank @ weights
    return rank.squeeze(2).square().mean(dim=1).sqrt()
