"""Proportional attention (ToMe, equation 1) through transformers' attention interface.

One function is registered under the name `hf_tome`. It takes the keys for the matching, adds log-size to the scores and
calls the implementation that the model's own config names at that moment. Log-size is a mask for those that take one
for the keys alone; flex attention's score function adds it; for flash attention it sits in channels of its own.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.utils._python_dispatch import _disable_current_modes
from transformers import PretrainedConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from hf_tome.core.channels import with_bias
from hf_tome.engine.flex import flex_attention
from hf_tome.engine.packing import attend_each
from hf_tome.engine.padding import hides
from hf_tome.engine.record import LayerRecord
from hf_tome.engine.state import LOCAL
from hf_tome.errors import UnsupportedAttentionError, UnsupportedModelError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float

    from hf_tome.engine.layer import LayerSite

NAME = "hf_tome"
EAGER = "eager_attention_forward"
FLEX = "flex_attention"
TAKE_MASK = ("sdpa", "eager")
Attention = Callable[..., tuple[Tensor, Tensor | None]]  # the signature of transformers' attention interface


@dataclass(frozen=True, eq=False)
class AttentionSite:
    """What a patched attention module remembers.

    Attributes:
        layer: its layer.
        config: the real one; the module's own is a copy that names `hf_tome`.
        eager: its family's own eager attention.
        eager_adds_mask: whether that adds a mask to the scores; some ignore it.
    """

    layer: LayerSite
    config: PretrainedConfig
    eager: Attention
    eager_adds_mask: bool

    def run(self, name: str, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None]:
        """The implementation `name`: the same arguments and results as in transformers' attention interface."""
        if name == "eager":
            return self.eager(module, *args, **kwargs)
        if "flash" in name:  # transformers finds the kernel by the name in module.config, where `hf_tome` stands
            module = _Configured(module, self.config)  # pyright: ignore
        return ALL_ATTENTION_FUNCTIONS[name](module, *args, **kwargs)


def tome_attention(
    module: nn.Module,
    query: Float[Tensor, "batch heads tokens channels"],
    key: Float[Tensor, "batch heads tokens channels"],
    value: Float[Tensor, "batch heads tokens channels"],
    attention_mask: Tensor | None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention with token sizes; stores the metric of the matching in the layer's record."""
    site: AttentionSite = module._tome  # pyright: ignore[reportAssignmentType]
    record = LOCAL.now.record
    if record is None or record.site is not site.layer:  # outside its layer's forward, as in a hook
        return site.run(implementation_of(site.config), module, query, key, value, attention_mask, **kwargs)
    if attention_mask is not None and not record.padding and record.lengths is None:
        _check_hides_nothing(attention_mask, record)
    # A padding mask is dropped here: it is in the sizes, and has the shape of the tokens before any merge.
    recipe = record.settings.recipe
    undecided = record.plan is None and (record.r > 0 or record.sizes is not None)
    if undecided:
        record.metric = compared_by(record, query, key, value).detach()
    name = record.implementation if site.config is record.config else implementation_of(site.config)
    attend = partial(biased, site, name, module, **kwargs)
    if record.lengths is None:
        output, weights = attend(query, key, value, record)
        parts = [weights]
    elif attention_mask is not None:  # it tells packed images apart, of which no tokens have merged yet
        output, weights = site.run(name, module, query, key, value, attention_mask, **kwargs)
        parts = [weights]
    else:
        output, parts = attend_each(attend, query, key, value, record)
        weights = None
    if undecided and record.r > 0 and (attention := recipe.matching.attention) is not None:
        given = [part.detach() for part in parts if part is not None]
        if not given:
            rule = "A matching that reads the attention needs its weights."
            raise UnsupportedAttentionError(complaint(rule, "none", 'Call model.set_attn_implementation("eager").'))
        protected = record.settings.family.protected
        record.importance = torch.cat([attention(part, protected) for part in given], dim=1)
    return output, weights


def compared_by(record: LayerRecord, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The metric of the settings. With rotary positions "k" means the values: rotated keys compare positions more than
    contents."""
    keys = value if record.settings.family.positions else key
    return {"q": query, "v": value}.get(record.settings.recipe.metric, keys)


def _check_hides_nothing(mask: Any, record: LayerRecord) -> None:
    """Refuse a mask that would be lost. Masks that hide nothing pass: towers make them for flex attention and exports.

    Raises:
        UnsupportedModelError: if it hides a token, and the family does not say what becomes of it.
    """
    if hides(mask):
        rule = f"Layers of a {record.settings.family.model_type} encoder get no attention mask that hides tokens."
        cure = "Merge without padding, or use the plain model."
        raise UnsupportedModelError(complaint(rule, f"a mask of shape {tuple(mask.shape)} that does", cure))


def biased(
    site: AttentionSite,
    name: str,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    record: LayerRecord,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """The implementation `name` with log-size on the scores of each key: as a mask, a score function or channels."""
    if site.eager_adds_mask if name == "eager" else not takes_channels(name):
        return site.run(name, module, query, key, value, mask_of(record, query.dtype), **kwargs)
    bias = log_sizes(record)
    if bias is None:
        return site.run(name, module, query, key, value, None, **kwargs)
    if kwargs.get("softcap"):
        rule = "Attention that caps its scores takes token sizes as a mask, which eager attention alone does."
        raise UnsupportedAttentionError(complaint(rule, name, 'Call model.set_attn_implementation("eager").'))
    if name == FLEX and query.is_cuda:  # torch fails to compile such a score function for a CPU
        return flex_attention(module, query, key, value, bias, **kwargs)
    width = value.shape[-1]
    scale = kwargs["scaling"] = kwargs.get("scaling") or query.shape[-1] ** -0.5
    wide, weights = site.run(name, module, *with_bias(query, key, value, bias, scale), None, **kwargs)
    return wide[..., :width], weights


def log_sizes(record: LayerRecord) -> Float[Tensor, "batch tokens"] | None:
    """The bias on the attention scores in float32, or None while there is nothing to add.

    log(size) with proportional attention; without it, minus infinity on padding alone.
    """
    sizes, messages = record.sizes, record.settings.family.messages
    if sizes is None:
        return None
    if messages:
        sizes = pad(sizes, (0, messages), value=1.0)
    if record.settings.prop_attn:
        return sizes.log()
    if record.padding:
        return torch.zeros_like(sizes).masked_fill_(sizes == 0, float("-inf"))
    return None


def mask_of(record: LayerRecord, dtype: torch.dtype) -> Float[Tensor, "batch 1 1 tokens"] | None:
    """`log_sizes` as an attention mask; the previous merge may have computed it already."""
    settings = record.settings
    if record.log_sizes is not None and settings.prop_attn and not settings.family.messages:
        return record.log_sizes.to(dtype)
    bias = log_sizes(record)
    return None if bias is None else bias.to(dtype)[:, None, None]


class _Configured:
    """A read-only view of a patched module with its original config."""

    def __init__(self, module: nn.Module, config: PretrainedConfig) -> None:
        self._module, self.config = module, config

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def implementation_of(config: PretrainedConfig) -> str:
    """The attention implementation that `config` names; transformers takes none for eager."""
    return config._attn_implementation or "eager"


def eager_of(attention: nn.Module) -> Attention:
    """The eager attention function that `attention` names, beside its class or the nearest class that it comes from.

    Raises:
        UnsupportedModelError: if there is none: then `attention` does not call transformers' attention interface.
    """
    code = getattr(inspect.unwrap(type(attention).forward), "__code__", None)
    named = [name for name in getattr(code, "co_names", ()) if name.endswith(EAGER)]  # a file may have two
    for kind in type(attention).__mro__:
        eager = getattr(sys.modules.get(kind.__module__), (*named, EAGER)[0], None)
        if eager is not None:
            return eager
    rule = "The attention must be the family's own, or a subclass, which calls transformers' attention interface."
    raise UnsupportedModelError(complaint(rule, type(attention).__name__, "Use the plain model."))


def adds_mask(eager: Attention, module: nn.Module) -> bool:
    """Whether an eager attention adds a mask to the scores, tried on one query and two keys of which one is hidden."""
    heads = int(getattr(module, "num_key_value_groups", 1))
    query, key = torch.ones(1, heads, 1, 2, device="cpu"), torch.ones(1, 1, 2, 2, device="cpu")
    mask = torch.tensor([0.0, -torch.inf], device="cpu").view(1, 1, 1, 2)
    value = torch.tensor([[1.0, 0.0], [0.0, 1.0]], device="cpu").view(1, 1, 2, 2)
    with torch.no_grad(), _disable_current_modes():
        _, weights = eager(module, query, key, value, mask, scaling=1.0, dropout=0.0)
    return weights is not None and bool((weights[..., 0] == 1).all())


def takes_channels(implementation: str) -> bool:
    """Whether an implementation gets log-size in channels: flash in any version or from the hub, flex on a CPU."""
    flash = "flash" in implementation and not implementation.startswith("paged|")  # as transformers recognises it
    return flash or implementation == FLEX


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
        rule = f"Token sizes go through attn_implementation in {(*TAKE_MASK, FLEX)}, or flash attention."
        raise UnsupportedAttentionError(complaint(rule, implementation, 'Call model.set_attn_implementation("sdpa").'))


ALL_ATTENTION_FUNCTIONS.register(NAME, tome_attention)
vars(ALL_ATTENTION_FUNCTIONS)[NAME] = tome_attention  # KOSMOS-2.5 looks it up as an attribute
