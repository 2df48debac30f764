"""Proportional attention (ToMe, equation 1) through transformers' attention interface.

One function is registered under the name `hf_tome`. It takes the keys for the matching, adds log-size to the scores and
calls the implementation that the model's own config names at that moment.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hf_tome.errors import UnsupportedAttentionError, UnsupportedModelError, complaint
from hf_tome.state import LOCAL, LayerRecord

if TYPE_CHECKING:
    from jaxtyping import Float

NAME = "hf_tome"
WITH_BIAS = ("sdpa", "eager")
WITHOUT_BIAS = ("flex_attention",)


@dataclass(frozen=True, eq=False)
class AttentionSite:
    """What a patched attention module remembers: the real config, and its family's own eager attention."""

    config: PretrainedConfig
    eager: Callable[..., tuple[Tensor, Tensor | None]]

    @property
    def implementation(self) -> str:
        """The implementation that the model's config names now: `set_attn_implementation` is followed live."""
        return implementation_of(self.config)


def implementation_of(config: PretrainedConfig) -> str:
    """The attention implementation that `config` names; transformers takes none for eager."""
    return config._attn_implementation or "eager"


def eager_of(attention: nn.Module) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """The eager attention function beside the class of `attention`, or beside the nearest class that it comes from.

    Raises:
        UnsupportedModelError: if there is none: then `attention` does not call transformers' attention interface.
    """
    for kind in type(attention).__mro__:
        eager = getattr(sys.modules.get(kind.__module__), "eager_attention_forward", None)
        if eager is not None:
            return eager
    rule = "The attention must be the family's own, or a subclass, which calls transformers' attention interface."
    raise UnsupportedModelError(complaint(rule, type(attention).__name__, "Use the plain model."))


def check_implementation(implementation: str, bias: bool) -> None:
    """Refuse an implementation that cannot run on merged tokens.

    Flash attention takes no bias, and transformers finds its kernel by the name in the module's own config, where
    `hf_tome` stands. Flex attention takes no tensor as bias.

    Raises:
        UnsupportedAttentionError: for flex attention while `bias` is needed, and for flash attention and unknown ones.
    """
    if implementation not in (WITH_BIAS if bias else (*WITH_BIAS, *WITHOUT_BIAS)):
        rule = f"Token sizes are a bias on the attention scores, which attn_implementation in {WITH_BIAS} can take."
        rule += " flex_attention works where none is needed: prop_attn=False and no padding."
        cure = 'Call model.set_attn_implementation("sdpa").'
        raise UnsupportedAttentionError(complaint(rule, implementation, cure))


def log_sizes(record: LayerRecord, dtype: torch.dtype) -> Float[Tensor, "batch 1 1 tokens"] | None:
    """The bias on the attention scores, or None while there is nothing to add.

    log(size) with proportional attention; without it, minus infinity on padding alone.
    """
    if record.sizes is None:
        return None
    if record.prop_attn:
        bias = record.sizes.log()
    elif record.padding:
        bias = torch.zeros_like(record.sizes).masked_fill_(record.sizes == 0, float("-inf"))
    else:
        return None
    return bias.to(dtype)[:, None, None]


def metric_of(key: Float[Tensor, "batch heads tokens channels"]) -> Float[Tensor, "batch tokens channels"]:
    """What tokens are compared by: the keys, averaged over the heads (ToMe, section 3, "token similarity")."""
    return key.detach().mean(dim=1)


def tome_attention(
    module: nn.Module,
    query: Float[Tensor, "batch heads tokens channels"],
    key: Float[Tensor, "batch heads tokens channels"],
    value: Float[Tensor, "batch heads tokens channels"],
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention with token sizes; the signature is that of every function in transformers' attention interface."""
    site: AttentionSite = module._tome  # pyright: ignore[reportAssignmentType]
    implementation = site.implementation
    real = site.eager if implementation == "eager" else ALL_ATTENTION_FUNCTIONS[implementation]
    frame = LOCAL.frame
    if frame is not None:
        if frame.record.r > 0 and frame.record.plan is None:
            frame.metric = metric_of(key)
        # A mask that comes in hides nothing: the tower has made it from no mask (for flex attention, and in an export),
        # since `begin_forward` turned the user's into sizes. Its shape is that of the tokens before any merge.
        attention_mask = log_sizes(frame.record, query.dtype)
    return real(module, query, key, value, attention_mask, **kwargs)


ALL_ATTENTION_FUNCTIONS.register(NAME, tome_attention)
