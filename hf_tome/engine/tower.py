"""A patched tower: hooks that open and close the state of each of its forwards, and restore its outputs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers import PretrainedConfig
from transformers.utils.generic import ModelOutput

from hf_tome.core import PatchGrid
from hf_tome.engine.attention import check_implementation, implementation_of
from hf_tome.engine.exports import check_exporter
from hf_tome.engine.padding import sizes_of
from hf_tome.engine.settings import Settings
from hf_tome.engine.state import LOCAL, Forward
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint
from hf_tome.families import Family


@dataclass(eq=False)
class TowerSite:
    """What a patched tower remembers: how it merges, and what its removal undoes.

    It is stored on the tower, not on the head around it, so that apply and remove may be called on either.

    Attributes:
        settings: how it merges; replaced as a whole, so that a forward keeps those that it began with.
        layers: the very layers that were patched.
        grid: how patches lie on the main input.
        masked: the module that gets the padding mask: the tower, or one inside.
        mask_position: place of the mask among the positional arguments of that module; None where it has none.
        input_name: name of the tower's main input.
        collector: the module whose output holds the hidden states: the tower, or one inside.
        holder: the config in which the user's settings are saved.
        earlier: what `holder.tome` was before.
        handles: the hooks on the tower.
        listeners: called with each `Forward` that ends; `trace_tome` adds itself here.
    """

    settings: Settings
    layers: list[nn.Module]
    grid: PatchGrid
    masked: nn.Module
    mask_position: int | None
    input_name: str
    collector: nn.Module
    holder: PretrainedConfig
    earlier: Any
    handles: list[RemovableHandle] = field(default_factory=list)
    listeners: list[Callable[[Forward], None]] = field(default_factory=list)

    def __getstate__(self) -> dict[str, Any]:
        # a deepcopy or pickle made inside a `trace_tome` block is not traced, and keeps no trace alive
        return {**vars(self), "listeners": []}


def begin_forward(tower: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Pre-hook of the tower: make the forward's state."""
    site: TowerSite = tower._tome  # pyright: ignore
    compiling = torch.compiler.is_compiling()
    wrapped = not compiling and _are_wrapped(tower, site)
    pixels = args[0] if args else kwargs.get(site.input_name)
    _check_arguments(tower, site.settings.family, args, kwargs)
    check_exporter()
    # the implementation may have changed since `apply_tome`
    config: Any = tower.config
    implementation, settings = implementation_of(config), site.settings
    check_implementation(implementation, settings.recipe.matching.attention is not None)
    LOCAL.now.forward = Forward(
        site,
        settings,
        config,
        implementation,
        shape=tuple(pixels.shape) if isinstance(pixels, Tensor) else (),
        wrapped=wrapped,
        grad=torch.is_grad_enabled(),
        previous=current_forward(),
        caller=None if torch.compiler.is_dynamo_compiling() else sys._getframe(1),
        table=attrgetter(settings.family.table)(tower) if settings.config.premerge else None,
    )


def take_mask(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple, dict] | None:
    """Pre-hook of the module that gets the padding mask: it becomes sizes."""
    state = current_forward()
    if state is None or not _is_same(module, state.site.masked):
        return None
    about, place = state.settings.family.mask, state.site.mask_position
    assert about is not None
    if place is not None and len(args) > place:
        mask, args = args[place], args if about.stays else (*args[:place], None, *args[place + 1 :])
    else:
        mask = kwargs.get(about.argument)
        kwargs = kwargs if about.stays or mask is None else {**kwargs, about.argument: None}
    if mask is not None:
        state.sizes, state.padding = sizes_of(mask, about), True
    return args, kwargs


def restore_collected(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    """Hook of the module whose output holds the hidden states: restore them."""
    state = current_forward()
    if state is None or not _is_same(module, state.site.collector) or len(state.plans) != state.settings.layers:
        return None
    return _restored_output(output, state) if state.settings.config.restore else None


def restore_tapped(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Pre-hook of a module that reads hidden states between two layers: it gets them restored."""
    state = current_forward()
    if state is None or args[0].shape[-2] == state.counts[0]:
        return None
    return (state.restore(args[0]), *args[1:])


def end_forward(tower: nn.Module, args: tuple[Any, ...], output: Any) -> None:
    """Hook of the tower, called after an exception too: drop the state, call the listeners."""
    state, site = current_forward(), tower._tome
    if state is None or state.site is not site:  # it failed before `begin_forward` had made its state
        return
    LOCAL.now.forward, state.caller = state.previous, None
    if output is not None and len(state.plans) == state.settings.layers:
        for listener in state.site.listeners:
            listener(state)


def current_forward() -> Forward | None:
    """The innermost running forward of a tower in this thread.

    When Ctrl-C ends a forward, or an error in an export, torch calls no hook. The state of such a forward is dropped
    here: its caller is no longer on the stack.
    """
    now = LOCAL.now
    while now.forward is not None and now.forward.caller is not None and not torch.compiler.is_dynamo_compiling():
        frame, caller = sys._getframe(), now.forward.caller
        while frame is not None and frame is not caller:
            frame = frame.f_back
        if frame is caller:
            break
        now.forward = now.forward.previous
    return now.forward


def _are_wrapped(tower: nn.Module, site: TowerSite) -> bool:
    """Whether other modules wrap the patched layers, such as those for checkpointing.

    Raises:
        UnsupportedModelError: if these are not the tower's layers any more.
    """
    items = list(tower.get_submodule(site.settings.family.layers).children())
    pairs = list(zip(items, site.layers, strict=False))
    if len(items) == len(site.layers) and all(_is_same(item, layer) for item, layer in pairs):
        return False
    within = (any(_is_same(part, layer) for part in item.modules()) for item, layer in pairs)
    if len(items) != len(site.layers) or not all(within):
        rule = "The layers of a tower stay those that apply_tome has patched."
        got = f"{type(tower).__name__} with {len(items)} layers, some of them others"
        raise UnsupportedModelError(complaint(rule, got, "Call apply_tome again after layers are cut off or replaced."))
    return True


def _is_same(module: nn.Module, patched: nn.Module | None) -> bool:
    """Whether a module is the patched one, or a replica by DataParallel, which shares its hooks."""
    return module is patched or (patched is not None and module._forward_hooks is patched._forward_hooks)


def _check_arguments(tower: Any, family: Family, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse inputs that would be lost or mixed up without notice.

    Raises:
        ToMeValueError: if there is an attention mask, and the tower takes none; or if images are packed.
        UnsupportedModelError: if training skips some of the layers.
    """
    masks = [name for name, value in kwargs.items() if name.endswith("attention_mask") and value is not None]
    if masks and family.mask is None:
        rule = f"{type(tower).__name__} takes no attention mask: its heads read every token, padding too."
        raise ToMeValueError(complaint(rule, masks[0], "Leave it out."))
    if family.packed and (args[1] if len(args) > 1 else kwargs.get(family.packed)) is not None:
        rule = f"A {family.model_type} encoder merges images of one size, not those packed in one sequence."
        raise ToMeValueError(complaint(rule, family.packed, "Run a forward for each image."))
    if family.layerdrop and tower.training and (share := attrgetter(family.layerdrop)(tower)) > 0:
        rule = "Token merging needs every layer: one that training skips (LayerDrop) would leave its sizes undecided."
        cure = f"Set {family.layerdrop} of the {type(tower).__name__} to 0."
        raise UnsupportedModelError(complaint(rule, f"{family.layerdrop}={share}", cure))


def _restored_output(output: Any, state: Forward) -> Any:
    """A tower's output with `hidden_states` of full length."""
    if all(plan is None for plan in state.plans):
        return None
    if isinstance(output, ModelOutput):
        if output.get("hidden_states"):
            output["hidden_states"] = _restored(output["hidden_states"], output[0], state)
        return output
    if isinstance(output, tuple):  # return_dict=False: the hidden states are a tuple longer than the layers
        return tuple(_restored(part, output[0], state) if _is_hidden(part, state) else part for part in output)
    return None


def _is_hidden(part: Any, state: Forward) -> bool:
    return isinstance(part, tuple) and len(part) > state.settings.layers and all(h is None or h.ndim == 3 for h in part)


def _restored(hidden_states: tuple, output: Any, state: Forward) -> tuple:
    """Each at full length; one that is the output itself has its length already."""
    if state.embedded is not None and hidden_states[0] is not None:
        hidden_states = (state.embedded, *hidden_states[1:])
    full, own = state.counts[0], state.settings.layers  # those beyond come from other layers, as in VideoPrism
    return tuple(
        h if h is None or h is output or layer > own or h.shape[-2] == full else state.restore(h, layer)
        for layer, h in enumerate(hidden_states)
    )
