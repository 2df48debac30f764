"""Flex attention with a bias on the keys, which its score function adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from transformers.integrations.flex_attention import compile_friendly_flex_attention

from hf_tome.errors import UnsupportedAttentionError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float


def flex_attention(
    module: nn.Module,
    query: Float[Tensor, "batch heads queries channels"],
    key: Float[Tensor, "batch heads tokens channels"],
    value: Float[Tensor, "batch heads tokens channels"],
    bias: Float[Tensor, "batch tokens"],
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """The arguments and results of transformers' attention interface, with `bias` in the place of a mask.

    transformers' own function for flex attention takes a mask for each pair of tokens, and none for the keys alone.

    Raises:
        UnsupportedAttentionError: if the weights are to be dropped out, which flex attention cannot do.
    """
    if dropout > 0:
        cure = "Call model.eval(), or set the config's attention dropout to 0."
        raise UnsupportedAttentionError(complaint("Flex attention has no dropout.", f"dropout={dropout}", cure))

    def score_mod(score: Tensor, batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return score + bias[batch, key]

    shared = query.shape[1] != key.shape[1]  # grouped queries
    out: Any = compile_friendly_flex_attention(
        query, key, value, module.training,
        score_mod=score_mod, scale=scaling, enable_gqa=shared, kernel_options=kwargs.get("kernel_options"),
    )  # fmt: skip
    return out.transpose(1, 2).contiguous(), None  # (batch, queries, heads, channels)
