"""What is checked of each layer, and of what stands around a tower, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence

import transformers
from torch import nn
from transformers import PreTrainedModel

from hf_tome.engine import guard, own_attention
from hf_tome.engine.attention import eager_of
from hf_tome.engine.layer import MergedLayer
from hf_tome.engine.tower import TowerSite
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint
from hf_tome.families import Block, Family
from hf_tome.families.family import is_one_of


def check_layer(layer: nn.Module, family: Family, tower: TowerSite | None, block: Block | None) -> None:
    """Refuse a layer that cannot be merged exactly.

    Args:
        tower: what its tower remembers, if it is patched already.
        block: the user's own, if there is one.

    Raises:
        UnsupportedModelError: with the reason.
    """
    try:
        _check_layer(layer, family, tower, block)
    except UnsupportedModelError as error:
        if not family.is_too_new:
            raise
        rule = f"A {family.model_type} encoder needs transformers {'.'.join(map(str, family.since))} or later."
        cure = f"Install it, or use the plain model: {error}"
        raise UnsupportedModelError(complaint(rule, transformers.__version__, cure)) from error


def _check_layer(layer: nn.Module, family: Family, tower: TowerSite | None, block: Block | None) -> None:
    if isinstance(layer, MergedLayer):
        if tower is None or layer._tome.tower is not tower:
            rule = "A layer belongs to one tower, since its index is stored on it."
            cure = "Copy the layer, or call remove_tome on the other model first."
            raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} that another tower patched", cure))
        kind = layer._tome_original
    elif "forward" in vars(layer):
        rule = "A layer's forward must be that of its class: one set on the instance would skip the merge."
        cure = "Call apply_tome before dispatch_model or cpu_offload; or remove their hooks first."
        raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} with a forward of its own", cure))
    else:
        kind = type(layer)
    try:
        attention = layer.get_submodule(family.attention)
    except AttributeError:
        rule = f"A {family.layer} has a module {family.attention!r}."
        cure = "Layers of another kind cannot be merged: use the plain model."
        raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} with none", cure)) from None
    if family.own_attention:
        own_attention.check_parts(attention, family, family.own_attention)
    else:
        eager_of(attention)
    if getattr(attention, "is_causal", False):
        rule = "The attention must not be causal: token sizes are a mask, and beside a mask sdpa ignores is_causal."
        got = f"a {type(attention).__name__} with is_causal=True"
        raise UnsupportedModelError(complaint(rule, got, "Use the plain model."))
    guard.check(layer, kind, block or family.block, family.attention.partition(".")[0], block is not None)


def custom_block(layers: Sequence[nn.Module]) -> Block | None:
    """The block of the user's own that an earlier `apply_tome` has given to layers; None without one."""
    return next((each._tome.block for each in layers if isinstance(each, MergedLayer) and each._tome.custom), None)


def check_heads(model: nn.Module, tower: nn.Module, family: Family) -> None:
    """Refuse a short sequence where a part of the tower, or a model around it, reads every token."""
    heads = [head for head in model.modules() if isinstance(head, PreTrainedModel) and head is not tower]
    readers = [
        head
        for head in heads
        if any(part is tower for part in head.modules()) and not is_one_of(head, family.token_heads)
    ]
    readers += [part for part in tower.modules() if is_one_of(part, family.whole)]
    if readers:
        rule = "restore=False leaves the short sequence, and this head pools or reshapes all tokens."
        cure = "Leave restore out (True), or apply to the bare tower and weight by trace.sizes yourself."
        raise ToMeValueError(complaint(rule, type(readers[0]).__name__, cure))
