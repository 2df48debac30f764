"""The only module that writes on a model. It checks everything first, then writes, and can undo every write."""

from __future__ import annotations

import copy
import inspect
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
from hf_tome.engine.checks import check_heads, check_layer, custom_block
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


def sites_in(model: nn.Module) -> list[TowerSite]:
    """What the patched towers of `model` remember."""
    return [site for module in model.modules() if (site := site_of(module))]


def site_of(module: nn.Module) -> TowerSite | None:
    """What `module` remembers, if it is a patched tower. Wrappers forward attributes, and must not be counted too."""
    site = vars(module).get("_tome")
    return site if isinstance(site, TowerSite) else None


def config_holder(model: nn.Module, tower: nn.Module) -> Any:
    """The outermost transformers model around `tower`, in whose config the settings are saved.

    It is the tower itself where there is none, as around the vision transformer of IDEFICS alone.
    """
    holders = (module for module in model.modules() if isinstance(module, PreTrainedModel))
    return next((holder for holder in holders if any(part is tower for part in holder.modules())), tower)


def check(model: nn.Module, config: ToMeConfig, block: Block | None = None) -> None:
    """Refuse what cannot work, before anything is written.

    Raises:
        ToMeTypeError, ToMeValueError: if the block is no function, a list r is longer than the model is deep, a list
            combine does not fit it, or `restore=False` meets a head that needs every token.
        UnsupportedModelError: if a layer cannot be merged exactly.
        UnsupportedAttentionError: if the attention implementation takes no token sizes, or gives no weights where they
            are needed.
    """
    if block is not None and not callable(block):
        rule = "block is a function of (layer, x, *, merge, **kwargs)."
        raise ToMeTypeError(complaint(rule, shown(block), "Leave it out for layers of transformers' own."))
    for tower, family in towers_of(model):
        family.check(tower.config)
        layers = family.layers_of(tower)
        custom = block or custom_block(layers)
        for layer in layers:
            check_layer(layer, family, site_of(tower), custom)
        config.schedule.check_layers(len(layers))
        config.recipe.check_layers(len(layers))
        if config.premerge and not family.table:
            able = ", ".join(each.model_type for each in FAMILIES if each.table)
            rule = f"premerge compares tokens without the positions that were added to them, in {able}."
            raise UnsupportedModelError(complaint(rule, f"a {family.model_type} encoder", "Leave premerge out."))
        check_implementation(implementation_of(tower.config), config.recipe.matching.attention is not None)  # pyright: ignore
        if not config.restore:
            check_heads(model, tower, family)


def write(model: nn.Module, config: ToMeConfig, block: Block | None = None, only: nn.Module | None = None) -> None:
    """Patch every tower of `model`, or one `only`; re-configure those that are patched. Call `check` first."""
    for tower, family in towers_of(model):
        if only is not None and tower is not only:
            continue
        site, layers, holder = site_of(tower), family.layers_of(tower), config_holder(model, tower).config
        custom, settings = block or custom_block(layers), Settings(config, family, len(layers))
        if site is not None and (block is not None or site.holder is not holder or not _as_patched(site, layers)):
            _unpatch(tower, site)
            site = None
        if site is None:
            site = _patch(tower, settings, layers, holder, custom)
        site.settings = settings
        holder.tome = written(config, site.earlier)


def erase(model: nn.Module) -> None:
    """Undo everything that `write` wrote.

    Raises:
        UnsupportedModelError: if accelerate has put hooks onto the layers since; nothing is changed then.
    """
    towers = [(tower, site) for tower in model.modules() if (site := site_of(tower))]
    for layer in (layer for _, site in towers for layer in site.layers):
        own = vars(layer).get("forward")
        if own is not None and getattr(own, "__func__", None) is not type(layer).forward:
            rule = "A hook that accelerate puts onto a layer after apply_tome must go before remove_tome."
            cure = "Call accelerate.hooks.remove_hook_from_submodules(model) first."
            raise UnsupportedModelError(complaint(rule, f"a {type(layer).__name__} with a forward of its own", cure))
    for tower, site in towers:
        _unpatch(tower, site)


def _as_patched(site: TowerSite, layers: list[nn.Module]) -> bool:
    """Whether layers and attentions are still the very ones that were patched."""
    attention = site.settings.family.attention
    return len(layers) == len(site.layers) and all(
        layer is own and any(part is layer._tome.attention for part in layer.get_submodule(attention).modules())  # pyright: ignore
        for layer, own in zip(layers, site.layers, strict=True)
    )


def _patch(
    tower: nn.Module, settings: Settings, layers: list[nn.Module], holder: PretrainedConfig, block: Block | None
) -> TowerSite:
    family, mask = settings.family, settings.family.mask
    masked = tower.get_submodule(mask.module) if mask else tower
    collector = tower.get_submodule(family.collector)
    arguments = _arguments(masked)
    site = TowerSite(
        settings,
        layers,
        grid=family.grid(tower.config),
        masked=masked,
        mask_position=arguments.index(mask.argument) if mask and mask.argument in arguments else None,
        input_name=_arguments(tower)[0],
        collector=collector,
        holder=holder,
        earlier=earlier_of(holder),
    )
    site.handles.append(tower.register_forward_pre_hook(begin_forward, with_kwargs=True))
    if mask and not (mask.ignored or mask.inside):
        site.handles.append(masked.register_forward_pre_hook(take_mask, with_kwargs=True))
    site.handles += [
        collector.register_forward_hook(restore_collected),
        tower.register_forward_hook(end_forward, always_call=True),
    ]
    taps = tower.get_submodule(family.taps).children() if family.taps else ()
    site.handles += [module.register_forward_pre_hook(restore_tapped) for module in taps]
    tower._tome = site  # pyright: ignore
    for index, layer in enumerate(layers):
        _patch_layer(layer, site, index, block)
    return site


def _arguments(module: nn.Module) -> list[str]:
    """Names of the arguments of a module's forward that may be passed by position."""
    parameters = list(inspect.signature(type(module).forward).parameters.values())[1:]  # without self
    return [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]


def _patch_layer(layer: nn.Module, tower: TowerSite, index: int, block: Block | None) -> None:
    family, kind = tower.settings.family, type(layer)
    attention: Any = layer.get_submodule(family.attention)
    own = LayerSite(
        tower,
        index,
        block or family.block,
        custom=block is not None,
        arguments=_arguments(layer)[1:],
        takes_mask=family.mask is not None and family.mask.inside and index == 0,
        attention_part=family.attention.partition(".")[0],
        attention=attention,
        config=None if family.own_attention else attention.config,
    )
    own.check(layer, kind)
    layer._tome = own  # pyright: ignore
    layer.__class__ = merged_class(kind)
    if family.own_attention:
        projections = map(attention.get_submodule, family.own_attention.projections)
        tower.handles += [part.register_forward_hook(own_attention.keep_projected) for part in projections]
        dropout = attention.get_submodule(family.own_attention.dropout)
        tower.handles.append(dropout.register_forward_pre_hook(own_attention.weigh_by_sizes))
        return
    eager = eager_of(attention)
    attention._tome = AttentionSite(own, attention.config, eager, adds_mask(eager, attention))
    # a copy: the tower's config is saved, and other parts read it, so it keeps the real implementation
    attention.config = copy.copy(attention.config)
    attention.config._attn_implementation_internal = NAME


def _unpatch(tower: nn.Module, site: TowerSite) -> None:
    for layer in site.layers:
        own: LayerSite = layer._tome  # pyright: ignore
        if own.config is not None:
            own.attention.config = own.config  # pyright: ignore
            del own.attention._tome
        del layer._tome
        vars(layer).pop("forward", None)  # accelerate leaves the patched forward there when it removes its hooks
        layer.__class__ = layer._tome_original  # pyright: ignore
    for handle in site.handles:
        handle.remove()
    if site.earlier is MISSING:
        vars(site.holder).pop("tome", None)  # another tower with the same config may have been first
    else:
        site.holder.tome = site.earlier
    del tower._tome
