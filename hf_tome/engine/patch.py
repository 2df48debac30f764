"""The only module that writes on a model. It checks all first, then writes, and can take every write back."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle
from transformers import PretrainedConfig, PreTrainedModel

from hf_tome.config import ToMeConfig
from hf_tome.engine.attention import NAME, AttentionSite, check_implementation, eager_of, implementation_of
from hf_tome.engine.direct import Direct
from hf_tome.engine.layer import (
    LayerShell,
    LayerSite,
    begin_forward,
    end_forward,
    merge_before_mlp,
    shell_of,
    unmerge_after_mlp,
)
from hf_tome.engine.state import TowerSite
from hf_tome.engine.trial import direct_of
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint
from hf_tome.families import FAMILIES, REFUSED, Family, family_of


class MISSING:
    """Stands for "there was no config.tome before". A class stays the same object in copies and pickles."""


@dataclass(eq=False)
class Undo:
    """What a patched tower remembers for its removal.

    It stands on the tower, not on the head around it, so that apply and remove may be called on either.

    Attributes:
        handles: the hooks on the tower.
        config: the config that carries the settings.
        tome: what `config.tome` was before.
    """

    handles: list[RemovableHandle]
    config: PretrainedConfig
    tome: Any


def towers_of(model: nn.Module) -> list[tuple[nn.Module, Family]]:
    """The towers of supported families in `model`, itself included.

    Raises:
        UnsupportedModelError: if there is none; says why where the reason is known.
    """
    towers = [(module, family) for module in model.modules() if (family := family_of(module))]
    if towers:
        return towers
    types = {str(getattr(getattr(m, "config", None), "model_type", "")) for m in model.modules()} - {""}
    reasons = [f"{name} cannot be merged: {REFUSED[name]}." for name in sorted(types) if name in REFUSED]
    supported = ", ".join(family.model_type for family in FAMILIES)
    got = f"{type(model).__name__}" + (f" (model type {', '.join(sorted(types))})" if types else "")
    cure = " ".join([*reasons, "`hf-tome families` lists what works and why the rest does not."])
    raise UnsupportedModelError(complaint(f"A model needs a tower of a supported family: {supported}.", got, cure))


def check(model: nn.Module, config: ToMeConfig) -> None:
    """Everything that could be wrong with `config` on `model`, before anything is written.

    Raises:
        ToMeValueError: if a list r is longer than the model is deep or a list combine does not fit it, or
            `restore=False` meets a head that needs every token.
        UnsupportedModelError: if a layer is not of the expected make.
        UnsupportedAttentionError: if the attention implementation takes no token sizes, or gives no weights where they
            are needed.
    """
    for tower, family in towers_of(model):
        layers = family.layers_of(tower)
        for layer in layers:
            eager_of(layer.get_submodule(family.block.attention))
            _check_forward(layer)
        config.schedule.check_layers(len(layers))
        config.recipe.check_layers(len(layers))
        check_implementation(implementation_of(tower.config), config.recipe.matching.attention is not None)  # pyright: ignore
        if not config.restore:
            _check_heads(model, tower, family)


def write(model: nn.Module, config: ToMeConfig) -> None:
    """Patch every tower of `model`, or re-configure those that are patched. Call `check` first."""
    towers = towers_of(model)
    for tower, family in towers:
        site = getattr(tower, "_tome", None)
        if site is None:
            _patch(tower, family, config, config_holder(model, tower).config)
        else:
            site.config, site.schedule, site.recipe = config, config.schedule, config.recipe
            site.prop_attn = _prop_attn(config, family)
    for tower, _ in towers:
        config_holder(model, tower).config.tome = config.to_dict()


def erase(model: nn.Module) -> None:
    """Take back everything that `write` wrote.

    Raises:
        UnsupportedModelError: if accelerate's hooks came onto the layers since; nothing is changed then.
    """
    towers = list(patched_towers(model))
    for layer in (layer for tower in towers for layer in tower.modules() if isinstance(layer, LayerShell)):
        own = vars(layer).get("forward")
        if own is not None and getattr(own, "__func__", None) is not type(layer).forward:
            rule = "A hook that came onto a layer after apply_tome must go before remove_tome."
            cure = "Call accelerate.hooks.remove_hook_from_submodules(model) first."
            raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} with a forward of its own", cure))
    for tower in towers:
        family = family_of(tower)
        assert family is not None  # a patched tower has one
        for layer in tower.get_submodule(family.layers).children():
            _unpatch_layer(layer, family)
        undo: Undo = tower._tome_undo  # pyright: ignore
        for handle in undo.handles:
            handle.remove()
        if undo.tome is MISSING:
            vars(undo.config).pop("tome", None)  # another tower with the same config may have been first
        else:
            undo.config.tome = undo.tome
        del tower._tome, tower._tome_undo


def patched_towers(model: nn.Module) -> Iterator[nn.Module]:
    """The towers of `model` that are patched now."""
    return (module for module in model.modules() if isinstance(getattr(module, "_tome", None), TowerSite))


def config_holder(model: nn.Module, tower: nn.Module) -> PreTrainedModel:
    """The outermost transformers model around `tower`, whose config carries the settings: containers have none."""
    holders = (module for module in model.modules() if isinstance(module, PreTrainedModel))
    return next(holder for holder in holders if any(part is tower for part in holder.modules()))


def _prop_attn(config: ToMeConfig, family: Family) -> bool:
    for choice in (config.prop_attn, config.recipe.matching.prop_attn):
        if choice is not None:
            return choice
    return family.prop_attn


def _check_forward(layer: nn.Module) -> None:
    """A forward set on the instance (accelerate's hooks do that) would run in place of the patched one."""
    if "forward" in vars(layer) and not isinstance(layer, LayerShell):
        rule = "A layer's forward must be that of its class: one set on the instance would skip the merge."
        cure = "Call apply_tome before dispatch_model or cpu_offload; or remove their hooks first."
        raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} with a forward of its own", cure))


def _check_heads(model: nn.Module, tower: nn.Module, family: Family) -> None:
    for parent in model.modules():
        if not isinstance(parent, PreTrainedModel) or parent is tower or tower not in list(parent.children()):
            continue
        if not {c.__name__ for c in type(parent).__mro__} & set(family.token_heads):
            rule = "restore=False leaves the short sequence, and this head pools or reshapes all tokens."
            cure = "Leave restore out (True), or apply to the bare tower and weight by trace.sizes yourself."
            raise ToMeValueError(complaint(rule, type(parent).__name__, cure))


def _patch(tower: nn.Module, family: Family, config: ToMeConfig, holder: PretrainedConfig) -> None:
    layers = family.layers_of(tower)
    parameters = list(inspect.signature(type(tower).forward).parameters)[1:]  # without self
    site = TowerSite(
        config=config,
        schedule=config.schedule,
        recipe=config.recipe,
        prop_attn=_prop_attn(config, family),
        protected=family.protected,
        layers=len(layers),
        mask_position=parameters.index("attention_mask") if "attention_mask" in parameters else None,
        input_name=tower.main_input_name,  # pyright: ignore
        grid=family.grid(tower.config),  # pyright: ignore
    )
    tower._tome = site  # pyright: ignore
    handles = [
        tower.register_forward_pre_hook(begin_forward, with_kwargs=True),
        tower.register_forward_hook(end_forward, always_call=True),
    ]
    tower._tome_undo = Undo(handles, holder, getattr(holder, "tome", MISSING))  # pyright: ignore
    hooks, kinds = (merge_before_mlp, unmerge_after_mlp), {type(layer) for layer in layers}
    direct = {kind: direct_of(family.block, hooks, kind, type(tower.config)) for kind in kinds}  # pyright: ignore
    for index, layer in enumerate(layers):
        _patch_layer(layer, family, site, index, direct[type(layer)])


def _patch_layer(layer: nn.Module, family: Family, tower: TowerSite, index: int, direct: Direct | None) -> None:
    handles = [
        layer.get_submodule(family.block.norm2).register_forward_pre_hook(merge_before_mlp),
        layer.get_submodule(family.block.mlp_out).register_forward_hook(unmerge_after_mlp),
    ]
    layer._tome = LayerSite(tower, index, handles, direct)  # pyright: ignore
    layer.__class__ = shell_of(type(layer))
    attention = layer.get_submodule(family.block.attention)
    attention._tome = AttentionSite(attention.config, eager_of(attention))  # pyright: ignore
    # a copy, so that the tower's config, which is saved and which other parts read, keeps the real implementation
    attention.config = copy.copy(attention.config)
    attention.config._attn_implementation_internal = NAME  # pyright: ignore


def _unpatch_layer(layer: nn.Module, family: Family) -> None:
    if not isinstance(layer, LayerShell):
        return
    attention = layer.get_submodule(family.block.attention)
    attention.config = attention._tome.config  # pyright: ignore
    del attention._tome
    for handle in layer._tome.handles:
        handle.remove()
    del layer._tome
    vars(layer).pop("forward", None)  # accelerate leaves the patched forward there when its hooks go
    layer.__class__ = layer._tome_original  # pyright: ignore
