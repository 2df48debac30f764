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


def check_implementation(implementation: str, bias: bool, weights: bool = False) -> None:
    """Refuse an implementation that cannot run on merged tokens, or gives no weights where the matching reads them.

    Flash attention takes no bias, and transformers finds its kernel by the name in the module's own config, where
    `hf_tome` stands. Flex attention takes no tensor as bias.

    Raises:
        UnsupportedAttentionError: for flex attention while `bias` is needed, for flash attention and unknown ones, and
            for all but eager while `weights` are needed.
    """
    if weights and implementation != "eager":
        rule = "A matching that reads the attention needs its weights, which eager attention alone gives."
        cure = 'Call model.set_attn_implementation("eager"), or choose another matching.'
        raise UnsupportedAttentionError(complaint(rule, implementation, cure))
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


def metric_of(
    part: Float[Tensor, "batch heads tokens channels"], heads: str = "mean"
) -> Float[Tensor, "batch tokens metric"]:
    """What tokens are compared by: the keys, averaged over the heads (ToMe, section 3, "token similarity")."""
    if heads == "concat":
        return part.detach().transpose(1, 2).flatten(2)
    return part.detach().mean(dim=1)


def received(
    weights: Float[Tensor, "batch heads queries tokens"] | None, protected: int
) -> Float[Tensor, "batch tokens"]:
    """The attention that each token receives from the protected ones, or from all where none is; mean over the heads.

    Raises:
        UnsupportedAttentionError: if the attention gave no weights.
    """
    if weights is None:
        rule = "A matching that reads the attention needs its weights."
        raise UnsupportedAttentionError(complaint(rule, "none", 'Call model.set_attn_implementation("eager").'))
    return weights.detach()[:, :, : protected or None].float().mean(dim=(1, 2))


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
    if frame is None:
        return real(module, query, key, value, attention_mask, **kwargs)
    record, undecided = frame.record, frame.record.r > 0 and frame.record.plan is None
    if undecided:
        frame.metric = metric_of({"q": query, "v": value}.get(record.recipe.metric, key), record.recipe.heads)
    # A mask that comes in hides nothing: the tower has made it from no mask (for flex attention, and in an export),
    # since `begin_forward` turned the user's into sizes. Its shape is that of the tokens before any merge.
    output = real(module, query, key, value, log_sizes(record, query.dtype), **kwargs)
    if undecided and record.recipe.matching.attention:
        frame.attention = received(output[1], record.protected)
    return output


ALL_ATTENTION_FUNCTIONS.register(NAME, tome_attention)
