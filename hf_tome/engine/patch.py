"""The only module that writes on a model. It checks everything first, then writes, and can undo every write."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from hf_tome.config import ToMeConfig
from hf_tome.engine import own_attention
from hf_tome.engine.attention import (
    NAME,
    AttentionSite,
    adds_mask,
    check_implementation,
    eager_of,
    implementation_of,
)
from hf_tome.engine.checks import check_heads, check_layer
from hf_tome.engine.layer import LayerSite, merged_class
from hf_tome.engine.saved import MISSING, earlier_of, written
from hf_tome.engine.settings import Settings
from hf_tome.engine.tower import TowerSite, begin_forward, end_forward, restore_collected, restore_tapped, take_mask
from hf_tome.errors import ToMeTypeError, UnsupportedModelError, complaint, shown
from hf_tome.families import FAMILIES, REFUSED, Block, Family, family_of


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
    how = "docs/contributing.md#adding-a-family says how to add one."
    cure = " ".join([*(reasons or [how]), "`hf-tome families` lists what works and why the rest does not."])
    raise UnsupportedModelError(complaint(f"A model needs a tower of a supported family: {supported}.", got, cure))


def patched_towers(model: nn.Module) -> Iterator[nn.Module]:
    """The towers of `model` that are patched now."""
    return (module for module in model.modules() if _site_of(module) is not None)


def config_holder(model: nn.Module, tower: nn.Module) -> Any:
    """The outermost transformers model around `tower`, whose config carries the settings: containers have none.

    The tower itself where there is none, as around the vision transformer of IDEFICS alone.
    """
    holders = (module for module in model.modules() if isinstance(module, PreTrainedModel))
    return next((holder for holder in holders if any(part is tower for part in holder.modules())), tower)


def check(model: nn.Module, config: ToMeConfig, block: Block | None = None) -> None:
    """Everything that could be wrong with `config` on `model`, before anything is written.

    Raises:
        ToMeTypeError, ToMeValueError: if the block is no function, a list r is longer than the model is deep, a list
            combine does not fit it, or `restore=False` meets a head that needs every token.
        UnsupportedModelError: if a layer cannot be merged exactly.
        UnsupportedAttentionError: if the attention implementation takes no token sizes, or gives no weights where they
            are needed.
    """
    if block is not None and not callable(block):
        rule = "block is a function of (layer, x, *args, merge, **kwargs)."
        raise ToMeTypeError(complaint(rule, shown(block), "Leave it out for layers of transformers' own."))
    for tower, family in towers_of(model):
        family.check(tower.config)
        layers = family.layers_of(tower)
        for layer in layers:
            check_layer(layer, family, _site_of(tower), block)
        config.schedule.check_layers(len(layers))
        config.recipe.check_layers(len(layers))
        check_implementation(implementation_of(tower.config), config.recipe.matching.attention is not None)  # pyright: ignore
        if not config.restore:
            check_heads(model, tower, family)


def write(model: nn.Module, config: ToMeConfig, block: Block | None = None) -> None:
    """Patch every tower of `model`, or re-configure those that are patched. Call `check` first."""
    towers = towers_of(model)
    for tower, family in towers:
        site, layers = _site_of(tower), family.layers_of(tower)
        if site is not None and (block is not None or not _as_patched(site, layers)):
            _unpatch(tower, site)
            site = None
        settings = Settings(config, family, len(layers))
        if site is None:
            _patch(tower, settings, layers, config_holder(model, tower).config, block)
        else:
            site.settings = settings
    for tower, _ in towers:
        earlier = tower._tome.earlier  # pyright: ignore
        config_holder(model, tower).config.tome = written(config, earlier)


def erase(model: nn.Module) -> None:
    """Undo everything that `write` wrote.

    Raises:
        UnsupportedModelError: if accelerate's hooks came onto the layers since; nothing is changed then.
    """
    towers = [(tower, site) for tower in model.modules() if (site := _site_of(tower))]
    for layer in (layer for _, site in towers for layer in site.layers):
        own = vars(layer).get("forward")
        if own is not None and getattr(own, "__func__", None) is not type(layer).forward:
            rule = "A hook that came onto a layer after apply_tome must go before remove_tome."
            cure = "Call accelerate.hooks.remove_hook_from_submodules(model) first."
            raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} with a forward of its own", cure))
    for tower, site in towers:
        _unpatch(tower, site)


def _site_of(module: nn.Module) -> TowerSite | None:
    """What `module` itself remembers as a patched tower. Wrappers forward attributes, and would be counted too."""
    site = vars(module).get("_tome")
    return site if isinstance(site, TowerSite) else None


def _as_patched(site: TowerSite, layers: list[nn.Module]) -> bool:
    """Whether layers and attentions are the very ones that were patched."""
    attention = site.settings.family.attention
    return len(layers) == len(site.layers) and all(
        layer is own and any(part is layer._tome.attention for part in layer.get_submodule(attention).modules())  # pyright: ignore
        for layer, own in zip(layers, site.layers, strict=True)
    )


def _patch(
    tower: nn.Module, settings: Settings, layers: list[nn.Module], holder: PretrainedConfig, block: Block | None
) -> None:
    family = settings.family
    masked = tower.get_submodule(family.mask.module) if family.mask else tower
    collector = tower.get_submodule(family.collector)
    site = TowerSite(
        settings,
        layers,
        grid=family.grid(tower.config),
        masked=masked,
        mask_position=_positions(masked).get(family.mask.argument) if family.mask else None,
        input_name=next(iter(_positions(tower))),
        collector=collector,
        holder=holder,
        earlier=earlier_of(holder),
    )
    site.handles += [
        tower.register_forward_pre_hook(begin_forward, with_kwargs=True),
        masked.register_forward_pre_hook(take_mask, with_kwargs=True),
        collector.register_forward_hook(restore_collected),
        tower.register_forward_hook(end_forward, always_call=True),
    ]
    taps = tower.get_submodule(family.taps).children() if family.taps else ()
    site.handles += [module.register_forward_pre_hook(restore_tapped) for module in taps]
    tower._tome = site  # pyright: ignore
    for index, layer in enumerate(layers):
        _patch_layer(layer, site, index, block)


def _positions(module: nn.Module) -> dict[str, int]:
    """The place of each argument of a module's forward."""
    return {name: place for place, name in enumerate(list(inspect.signature(type(module).forward).parameters)[1:])}


def _patch_layer(layer: nn.Module, tower: TowerSite, index: int, block: Block | None) -> None:
    family, kind = tower.settings.family, type(layer)
    attention: Any = layer.get_submodule(family.attention)
    users, attends = block is not None, family.attention.partition(".")[0]
    places = {name: place - 1 for name, place in _positions(layer).items()}
    told, by_name = (family.positions, family.boundaries), len(places)  # what goes into **kwargs has no place
    place, boundaries = (places.get(argument, by_name) if argument else None for argument in told)
    mask = places["attention_mask"] if family.mask and family.mask.inside and index == 0 else None
    config = None if family.own_attention else attention.config
    own = LayerSite(tower, index, block or family.block, users, attends, place, boundaries, mask, attention, config)
    own.check(layer, kind)
    layer._tome = own  # pyright: ignore
    layer.__class__ = merged_class(kind)
    if family.own_attention:
        projections = map(attention.get_submodule, family.own_attention.projections)
        tower.handles += [part.register_forward_hook(own_attention.see) for part in projections]
        dropout = attention.get_submodule(family.own_attention.dropout)
        tower.handles.append(dropout.register_forward_pre_hook(own_attention.weigh))
        return
    eager = eager_of(attention)
    attention._tome = AttentionSite(own, attention.config, eager, adds_mask(eager, attention))
    # a copy, so that the tower's config, which is saved and which other parts read, keeps the real implementation
    attention.config = copy.copy(attention.config)
    attention.config._attn_implementation_internal = NAME


def _unpatch(tower: nn.Module, site: TowerSite) -> None:
    for layer in site.layers:
        own: LayerSite = layer._tome  # pyright: ignore
        if own.config is not None:
            own.attention.config = own.config  # pyright: ignore
            del own.attention._tome
        del layer._tome
        vars(layer).pop("forward", None)  # accelerate leaves the patched forward there when its hooks go
        layer.__class__ = layer._tome_original  # pyright: ignore
    for handle in site.handles:
        handle.remove()
    if site.earlier is MISSING:
        vars(site.holder).pop("tome", None)  # another tower with the same config may have been first
    else:
        site.holder.tome = site.earlier
    del tower._tome
