"""The only module that writes on a model. It checks all first, then writes, and can take every write back."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from functools import partial

from torch import nn
from transformers import PreTrainedModel

from hf_tome.adapters import FAMILIES, REFUSED, Family, family_of
from hf_tome.attention import NAME, AttentionSite, check_implementation, eager_of
from hf_tome.config import ToMeConfig
from hf_tome.engine import LayerShell, LayerSite, begin_forward, end_forward, merge_before_mlp, shell_of
from hf_tome.engine import unmerge_after_mlp
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint
from hf_tome.state import TowerSite

MISSING = "missing"  # stands for "there was no config.tome before"


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
        ToMeValueError: if a list r is longer than the model is deep, or `restore=False` meets a head that needs
            every token.
        UnsupportedModelError: if a layer is not of the expected make.
        UnsupportedAttentionError: if the attention implementation takes no bias and one is needed.
    """
    for tower, family in towers_of(model):
        layers = family.layers_of(tower)
        config.schedule.check_layers(len(layers))
        implementation = tower.config._attn_implementation  # pyright: ignore
        check_implementation(implementation, _prop_attn(config, family))
        if not config.restore:
            _check_heads(model, tower, family)


def write(model: nn.Module, config: ToMeConfig) -> None:
    """Patch every tower of `model`, or re-configure those that are patched. Call `check` first."""
    for tower, family in towers_of(model):
        site = getattr(tower, "_tome", None)
        if site is None:
            _patch(tower, family, config)
        else:
            site.config, site.schedule, site.prop_attn = config, config.schedule, _prop_attn(config, family)
    holder = config_holder(model)
    if holder is not None:
        if not hasattr(holder, "_tome_saved"):
            holder._tome_saved = getattr(holder.config, "tome", MISSING)  # pyright: ignore
        holder.config.tome = config.to_dict()


def erase(model: nn.Module) -> None:
    """Take back everything that `write` wrote."""
    for tower in patched_towers(model):
        family = family_of(tower)
        assert family is not None  # a patched tower has one
        for layer in tower.get_submodule(family.layers).children():
            _unpatch_layer(layer, family)
        for handle in tower._tome_handles:  # pyright: ignore
            handle.remove()
        del tower._tome, tower._tome_handles
    holder = config_holder(model)
    if holder is not None and hasattr(holder, "_tome_saved"):
        saved = holder._tome_saved
        del holder._tome_saved
        if saved == MISSING:
            del holder.config.tome
        else:
            holder.config.tome = saved


def patched_towers(model: nn.Module) -> Iterator[nn.Module]:
    """The towers of `model` that are patched now."""
    return (module for module in model.modules() if isinstance(getattr(module, "_tome", None), TowerSite))


def config_holder(model: nn.Module) -> PreTrainedModel | None:
    """The outermost transformers model, whose config carries the settings: DDP and the like are looked through."""
    return next((module for module in model.modules() if isinstance(module, PreTrainedModel)), None)


def _prop_attn(config: ToMeConfig, family: Family) -> bool:
    return family.prop_attn if config.prop_attn is None else config.prop_attn


def _check_heads(model: nn.Module, tower: nn.Module, family: Family) -> None:
    for parent in model.modules():
        if not isinstance(parent, PreTrainedModel) or parent is tower or tower not in list(parent.children()):
            continue
        if not {c.__name__ for c in type(parent).__mro__} & set(family.token_heads):
            rule = "restore=False leaves the short sequence, and this head pools or reshapes all tokens."
            cure = "Leave restore out (True), or apply to the bare tower and weight by trace.sizes yourself."
            raise ToMeValueError(complaint(rule, type(parent).__name__, cure))


def _patch(tower: nn.Module, family: Family, config: ToMeConfig) -> None:
    layers = family.layers_of(tower)
    parameters = list(inspect.signature(type(tower).forward).parameters)[1:]  # without self
    site = TowerSite(
        config=config,
        schedule=config.schedule,
        prop_attn=_prop_attn(config, family),
        protected=family.protected,
        layers=len(layers),
        mask_position=parameters.index("attention_mask") if "attention_mask" in parameters else None,
        input_name=tower.main_input_name,  # pyright: ignore
        grid=partial(family.grid, tower.config),
    )
    tower._tome = site  # pyright: ignore
    tower._tome_handles = [  # pyright: ignore
        tower.register_forward_pre_hook(begin_forward, with_kwargs=True),
        tower.register_forward_hook(end_forward, always_call=True),
    ]
    for index, layer in enumerate(layers):
        _patch_layer(layer, family, site, index)


def _patch_layer(layer: nn.Module, family: Family, tower: TowerSite, index: int) -> None:
    handles = [
        layer.get_submodule(family.norm2).register_forward_pre_hook(merge_before_mlp),
        layer.get_submodule(family.mlp_out).register_forward_hook(unmerge_after_mlp),
    ]
    layer._tome = LayerSite(tower, index, handles)  # pyright: ignore
    layer.__class__ = shell_of(type(layer))
    attention = layer.get_submodule(family.attention)
    attention._tome = AttentionSite(attention.config, eager_of(attention))  # pyright: ignore
    # a copy, so that the tower's config, which is saved and which other parts read, keeps the real implementation
    attention.config = copy.copy(attention.config)
    attention.config._attn_implementation_internal = NAME  # pyright: ignore


def _unpatch_layer(layer: nn.Module, family: Family) -> None:
    if not isinstance(layer, LayerShell):
        return
    attention = layer.get_submodule(family.attention)
    attention.config = attention._tome.config  # pyright: ignore
    del attention._tome
    for handle in layer._tome.handles:
        handle.remove()
    del layer._tome
    layer.__class__ = layer._tome_original
