"""Merging around a layer's original forward (conjugation).

The merge belongs between attention and MLP, where the residual is a local variable of the layer's forward. So the
original forward runs on all tokens, and only what the MLP sees is short: a hook merges the input of the second norm, a
hook copies the MLP's output back to every position, the residual is added, and the layer's output is merged by the same
plan. With merge(h + copy(y)) = merge(h) + y this is exactly ToMe, and drop path, layer scale and adapters stay as they
are.

A layer of transformers' own with nobody looking on needs no such detour: see `direct`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers.utils.generic import ModelOutput

from hf_tome.engine.attention import check_implementation, implementation_of
from hf_tome.engine.direct import Direct, Parts
from hf_tome.engine.state import LOCAL, Forward, Frame, LayerRecord, TowerSite
from hf_tome.errors import ToMeTypeError, ToMeValueError, UnsupportedModelError, complaint, shown


@dataclass(eq=False)
class LayerSite:
    """What a patched layer remembers.

    Attributes:
        tower: its tower.
        index: its place, from 0.
        handles: the hooks on its parts.
        direct: its forward in one go; None where its class has a forward of another make.
    """

    tower: TowerSite
    index: int
    handles: list[RemovableHandle]
    direct: Direct | None


class LayerShell:
    """The part of a patched layer's class that is ours; the layer's own class follows it in the MRO."""

    _tome: LayerSite
    _tome_original: type[nn.Module]

    def __call__(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        # The forward's state is read here, outside hooks and checkpointing in every version of transformers.
        site, state = self._tome, LOCAL.now.forward
        if state is None or state.site is not site.tower:
            return super().__call__(hidden_states, *args, **kwargs)  # pyright: ignore
        record, direct = state.enter(site.index, hidden_states), site.direct
        # A recompute must go the same way, whoever looks on by then.
        parts = None if direct is None else direct.free_parts(self, self._tome_original)  # pyright: ignore
        out = super().__call__(hidden_states, *args, tome_record=record, tome_parts=parts, **kwargs)  # pyright: ignore
        state.leave(record)
        last = site.index == site.tower.layers - 1
        return state.restore(out) if last and site.tower.config.restore else out

    def forward(
        self,
        hidden_states: Tensor,
        *args: Any,
        tome_record: LayerRecord | None = None,
        tome_parts: Parts | None = None,
        **kwargs: Any,
    ):
        # Runs again in a backward under gradient checkpointing: everything it needs is in its arguments.
        if tome_record is None:
            return super().forward(hidden_states, *args, **kwargs)  # pyright: ignore
        frame, direct = Frame(tome_record, hidden_states), self._tome.direct
        if direct is not None and tome_parts is not None:
            return direct.forward(tome_parts, tome_parts.attention._tome, frame, hidden_states, **kwargs)
        outer, LOCAL.now.frame = LOCAL.now.frame, frame
        try:
            out = super().forward(hidden_states, *args, **kwargs)  # pyright: ignore
        finally:
            LOCAL.now.frame = outer
        if frame.before is not None:  # what the MLP added is a copy within each group: its mean is what it was
            return tome_record.merge(frame.before) + tome_record.mean(out - frame.before)
        return tome_record.merge(out)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        rebuild, (_, *arguments), *rest = super().__reduce_ex__(protocol)  # pyright: ignore
        return (_new_shell, (self._tome_original, rebuild, *arguments), *rest)


@cache
def shell_of(original: type[nn.Module]) -> type[nn.Module]:
    """The patched class of a layer class: same name, same module, one class per original."""
    names = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(original.__name__, (LayerShell, original), {**names, "_tome_original": original})


def _new_shell(original: type[nn.Module], rebuild: Any, *arguments: Any) -> Any:
    """Unpickle and deepcopy: the shell class has no name of its own to be found by."""
    return rebuild(shell_of(original), *arguments)


def merge_before_mlp(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Pre-hook of the second norm: decide the merge by the keys just seen, and pass the merged tokens on."""
    frame = LOCAL.now.frame
    if frame is None or frame.record.r == 0:
        return None
    frame.decide(args[0])
    if not frame.record.combine.shifts:
        _check_first(module)
        frame.before = args[0]
    return (frame.record.merge(args[0]), *args[1:])


def _check_first(norm: nn.Module) -> None:
    """Refuse a hook that could change the residual before it is seen here, where the merge is no mean of it."""
    if next(iter(norm._forward_pre_hooks.values())) is not merge_before_mlp:
        rule = "combine='mlerp' must see the residual as it is: a hook on the second norm comes after apply_tome."
        raise UnsupportedModelError(complaint(rule, "one from before", "Remove it, or choose another combine."))


def unmerge_after_mlp(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
    """Hook of the MLP's last part: copy each group's output to the positions of its members."""
    frame = LOCAL.now.frame
    if frame is None or frame.record.plan is None:
        return None
    return frame.record.plan.unmerge(output)


def begin_forward(tower: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple, dict]:
    """Pre-hook of the tower: make the forward's state. A padding mask leaves the arguments and becomes sizes."""
    site: TowerSite = tower._tome  # pyright: ignore
    pixels = args[0] if args else kwargs.get(site.input_name)
    shape = tuple(pixels.shape) if isinstance(pixels, Tensor) else ()
    mask, place = kwargs.get("attention_mask"), site.mask_position
    if mask is not None:
        kwargs = {**kwargs, "attention_mask": None}
    elif place is not None and len(args) > place:
        mask, args = args[place], (*args[:place], None, *args[place + 1 :])
    if mask is not None and place is None:
        rule = f"{type(tower).__name__} takes no attention mask: the heads on it read every token, padding too."
        raise ToMeValueError(complaint(rule, "attention_mask", "Leave it out."))
    # the implementation may have changed since `apply_tome`
    config: Any = tower.config
    implementation = implementation_of(config)
    check_implementation(implementation, site.recipe.matching.attention is not None)
    sizes = None if mask is None else sizes_of(mask)
    LOCAL.now.forward = Forward(
        site, config, implementation, shape, sizes, padding=mask is not None, previous=LOCAL.now.forward
    )
    return args, kwargs


def sizes_of(mask: Any) -> Tensor:
    """Token sizes from a padding mask: 1 for a token, 0 for padding.

    Raises:
        ToMeTypeError, ToMeValueError: if the mask is no (batch, tokens) tensor.
    """
    rule = "attention_mask is a tensor (batch, tokens), 1 for tokens and 0 for padding, special tokens included."
    cure = "Masks per pair of tokens do not survive merging: reduce it to padding, or call remove_tome(model)."
    if not isinstance(mask, Tensor):
        raise ToMeTypeError(complaint(rule, shown(mask), cure))
    if mask.ndim != 2:
        raise ToMeValueError(complaint(rule, f"shape {tuple(mask.shape)}", cure))
    return (mask != 0).to(torch.float32)


def end_forward(tower: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
    """Hook of the tower, called after an exception too: drop the state, tell the listeners, restore hidden states."""
    state, site = LOCAL.now.forward, tower._tome
    if state is None or state.site is not site:  # the forward failed before it began
        return None
    LOCAL.now.forward = state.previous
    if output is None or len(state.plans) != state.site.layers:
        return None
    for listener in state.site.listeners:
        listener(state)
    return restore_hidden_states(output, state) if state.site.config.restore else None


def restore_hidden_states(output: Any, state: Forward) -> Any:
    """Give the `hidden_states` of a tower's output their full length; the last one included."""
    if not any(plan is not None for plan in state.plans):
        return None
    if isinstance(output, ModelOutput):
        if output.get("hidden_states"):
            output["hidden_states"] = _restored(output["hidden_states"], state)
        return output
    if isinstance(output, tuple):  # return_dict=False: the hidden states are the tuple with one more than layers
        return tuple(_restored(part, state) if _is_hidden(part, state) else part for part in output)
    return None


def _is_hidden(part: Any, state: Forward) -> bool:
    return isinstance(part, tuple) and len(part) == state.site.layers + 1


def _restored(hidden_states: tuple, state: Forward) -> tuple:
    return tuple(h if h is None else state.restore(h, layer) for layer, h in enumerate(hidden_states))
