"""Proportional attention (ToMe, equation 1) through transformers' attention interface.

One function is registered under the name `hf_tome`. It takes the keys for the matching, adds log-size to the scores and
calls the implementation that the model's own config names at that moment: log-size is a mask for those that take one,
and sits in channels of its own for flash and flex attention, which take none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PretrainedConfig
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hf_tome.core.channels import with_bias
from hf_tome.core.ops import small
from hf_tome.core.options.importance import Importance
from hf_tome.engine.state import LOCAL, Frame, LayerRecord
from hf_tome.errors import UnsupportedAttentionError, UnsupportedModelError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float

NAME = "hf_tome"
TAKE_MASK = ("sdpa", "eager")


@dataclass(frozen=True, eq=False)
class AttentionSite:
    """What a patched attention module remembers: the real config, and its family's own eager attention."""

    config: PretrainedConfig
    eager: Callable[..., tuple[Tensor, Tensor | None]]

    @property
    def implementation(self) -> str:
        """The implementation that the model's config names now: `set_attn_implementation` is followed live."""
        return implementation_of(self.config)

    def run(self, name: str, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        """The implementation `name`: the same arguments and results as in transformers' attention interface."""
        if name == "eager":
            return self.eager(module, *args, **kwargs)
        function = ALL_ATTENTION_FUNCTIONS[name]
        causal = kwargs.get("is_causal") or getattr(module, "is_causal", True)
        if function is sdpa_attention_forward and not causal and not kwargs.get("output_attentions"):
            return _sdpa(*args, **kwargs)
        if "flash" in name:  # transformers finds the kernel by the name in module.config, where `hf_tome` stands
            module = _Configured(module, self.config)  # pyright: ignore
        return function(module, *args, **kwargs)


def _sdpa(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, dropout: float = 0.0, scaling: float | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """transformers' SDPA attention for towers that have no cache, no groups of heads and no causal order."""
    output = functional.scaled_dot_product_attention(query, key, value, mask, dropout, scale=scaling)
    return output.transpose(1, 2).contiguous(), None


class _Configured:
    """A module as it was before it was patched, to read from: with its own config."""

    def __init__(self, module: nn.Module, config: PretrainedConfig) -> None:
        self._module, self.config = module, config

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


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


def takes_channels(implementation: str) -> bool:
    """Whether an implementation gets log-size in channels: flash attention in any version or from the hub, and flex."""
    flash = "flash" in implementation and not implementation.startswith("paged|")  # as transformers tells them
    return flash or implementation == "flex_attention"


def check_implementation(implementation: str, weights: bool = False) -> None:
    """Refuse an implementation that cannot run on merged tokens, or gives no weights where the matching reads them.

    Raises:
        UnsupportedAttentionError: for implementations that are not known to take token sizes, and for all but eager
            while `weights` are needed.
    """
    if weights and implementation != "eager":
        rule = "A matching that reads the attention needs its weights, which eager attention alone gives."
        cure = 'Call model.set_attn_implementation("eager"), or choose another matching.'
        raise UnsupportedAttentionError(complaint(rule, implementation, cure))
    if implementation not in TAKE_MASK and not takes_channels(implementation):
        rule = f"Token sizes go through attn_implementation in {(*TAKE_MASK, 'flex_attention')}, or flash attention."
        raise UnsupportedAttentionError(complaint(rule, implementation, 'Call model.set_attn_implementation("sdpa").'))


def log_sizes(record: LayerRecord) -> Float[Tensor, "batch tokens"] | None:
    """The bias on the attention scores in float32, or None while there is nothing to add.

    log(size) with proportional attention; without it, minus infinity on padding alone.
    """
    if record.sizes is None:
        return None
    if record.prop_attn:
        return record.sizes.log()
    if record.padding:
        return torch.zeros_like(record.sizes).masked_fill_(record.sizes == 0, float("-inf"))
    return None


def metric_of(
    part: Float[Tensor, "batch heads tokens channels"], heads: str = "mean"
) -> Float[Tensor, "batch tokens metric"]:
    """What tokens are compared by: the keys, averaged over the heads (ToMe, section 3, "token similarity")."""
    if heads == "concat":
        return part.detach().transpose(1, 2).flatten(2)
    part = part.detach()
    return small.mean(part) if small.fits(part) else part.mean(dim=1)


def importance_of(
    weights: Float[Tensor, "batch heads queries tokens"] | None, importance: Importance, protected: int
) -> Float[Tensor, "batch tokens"]:
    """What the weights say of each token, as a matching wants it.

    Raises:
        UnsupportedAttentionError: if the attention gave no weights.
    """
    if weights is None:
        rule = "A matching that reads the attention needs its weights."
        raise UnsupportedAttentionError(complaint(rule, "none", 'Call model.set_attn_implementation("eager").'))
    return importance(weights.detach(), protected)


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
    frame = LOCAL.now.frame
    if frame is None:
        return site.run(site.implementation, module, query, key, value, attention_mask, **kwargs)
    # A mask that comes in hides nothing: the tower has made it from no mask (for flex attention, and in an export),
    # since `begin_forward` turned the user's into sizes. Its shape is that of the tokens before any merge.
    return attend(frame, site, module, query, key, value, **kwargs)


def attend(
    frame: Frame, site: AttentionSite, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, **kwargs: Any
) -> tuple[Tensor, Tensor | None]:
    """Attention with the token sizes of the layer that runs now.

    Leaves in its frame what tokens are compared by, or decides the merge at once where a compiled loop can.
    """
    record, undecided = frame.record, frame.record.r > 0 and frame.record.plan is None
    if undecided and not record.decide_at_once(key):
        frame.metric = metric_of({"q": query, "v": value}.get(record.recipe.metric, key), record.recipe.heads)
    name = record.implementation if site.config is record.config else site.implementation
    output = biased(site, name, module, query, key, value, log_sizes(record), **kwargs)
    importance = record.recipe.matching.attention
    if undecided and importance is not None:
        frame.attention = importance_of(output[1], importance, record.protected)
    return output


def biased(
    site: AttentionSite,
    name: str,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Float[Tensor, "batch tokens"] | None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """The implementation `name` with `bias` on the scores of each key, the way that it can take it."""
    if bias is None or not takes_channels(name):
        mask = None if bias is None else bias.to(query.dtype).view(bias.shape[0], 1, 1, -1)
        return site.run(name, module, query, key, value, mask, **kwargs)
    width = value.shape[-1]
    scale = kwargs["scaling"] = kwargs.get("scaling") or query.shape[-1] ** -0.5
    wide, weights = site.run(name, module, *with_bias(query, key, value, bias, scale), None, **kwargs)
    return wide[..., :width], weights


ALL_ATTENTION_FUNCTIONS.register(NAME, tome_attention)
