"""A patched layer: a mixin in front of its class runs the family's block in place of the layer's forward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig

from hf_tome.engine import guard
from hf_tome.engine.packing import as_one
from hf_tome.engine.positions import argument, follow
from hf_tome.engine.record import LayerRecord
from hf_tome.engine.state import LOCAL, Forward
from hf_tome.engine.tower import TowerSite, under_way
from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families import Block


@dataclass(eq=False)
class LayerSite:
    """What a patched layer remembers.

    Attributes:
        tower: its tower.
        index: its place, from 0.
        block: runs in place of its class's forward.
        users: whether the block is the user's own.
        attends: the part of the layer that holds the attention.
        positions: place of the argument that says where tokens are, after the tokens themselves; None without one.
        boundaries: the same of the one that tells packed images apart.
        mask: the same of the padding mask, in the first layer of a tower that makes it itself; else None.
        attention: the patched attention module.
        config: the one that the attention had before; None where it computes by itself.
        checked: the forward that the guard has compared with the block; not pickled, so that it is compared again.
    """

    tower: TowerSite
    index: int
    block: Block
    users: bool
    attends: str
    positions: int | None
    boundaries: int | None
    mask: int | None
    attention: nn.Module
    config: PretrainedConfig | None
    checked: Callable[..., Any] | None = None

    def check(self, layer: nn.Module, kind: type[nn.Module]) -> None:
        """Refuse to run the block in place of a forward that computes something else.

        Raises:
            UnsupportedModelError: with the reason.
        """
        guard.check(layer, kind, self.block, self.attends, self.users)
        self.checked = kind.forward

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "checked": None}


class MergedLayer:
    """The mixin of every patched layer's class; the layer's own class follows it in the MRO."""

    _tome: LayerSite
    _tome_original: type[nn.Module]

    def __call__(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        # The forward's state is read here, outside hooks and checkpointing in every version of transformers.
        site = self._tome
        state, record = under_way(), None
        if state is None or state.site is not site.tower:
            state, record = _of_recompute(site, hidden_states)
            if state is None:
                return super().__call__(hidden_states, *args, **kwargs)  # pyright: ignore
        if site.checked is not self._tome_original.forward and not torch.compiler.is_compiling():
            site.check(self, self._tome_original)  # pyright: ignore
        if site.mask is not None and record is None:
            state.take_mask(argument(site.mask, "attention_mask", args, kwargs))
        x = hidden_states
        if site.boundaries is not None:
            args, kwargs = as_one(record or state, site.boundaries, x.shape[-2], args, kwargs)
            x = x if x.ndim == 3 else x[None]
        entered = state.enter(site, x) if record is None else record
        if site.positions is not None:
            args, kwargs = follow(entered, site.positions, x, args, kwargs)
        if state.wrapped and record is None:
            _keep_for_recompute(state, entered, hidden_states)
        out = super().__call__(hidden_states, *args, tome_record=entered, **kwargs)  # pyright: ignore
        if record is None:
            state.leave(entered)
        last = site.index == state.settings.layers - 1
        return state.restore(out) if last and state.settings.config.restore else out

    def forward(self, hidden_states: Tensor, *args: Any, tome_record: LayerRecord | None = None, **kwargs: Any) -> Any:
        # Runs again in a backward under gradient checkpointing: everything it needs is in its arguments.
        if tome_record is None:
            return super().forward(hidden_states, *args, **kwargs)  # pyright: ignore
        outer, LOCAL.now.record = LOCAL.now.record, tome_record
        try:
            merge = partial(tome_record.merge, entering=hidden_states)
            return self._tome.block(self, hidden_states, *args, merge=merge, **kwargs)
        finally:
            LOCAL.now.record = outer

    def extra_repr(self) -> str:
        own = super().extra_repr()  # pyright: ignore
        return ", ".join([*([own] if own else []), f"merges tokens: r={self._tome.tower.settings.config.r}"])

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # pyright: ignore
        if vars(self._tome):  # not yet where an unpickling began inside the layer: the next forward checks then
            self._tome.check(self, self._tome_original)  # pyright: ignore

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        rebuild, (_, *arguments), *rest = super().__reduce_ex__(protocol)  # pyright: ignore
        return (_rebuilt, (self._tome_original, rebuild, *arguments), *rest)


@cache
def merged_class(original: type[nn.Module]) -> type[nn.Module]:
    """The patched class of a layer class: same name, same module, one class per original."""
    names = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    return type(original.__name__, (MergedLayer, original), {**names, "_tome_original": original})


def _rebuilt(original: type[nn.Module], rebuild: Any, *arguments: Any) -> Any:
    """Rebuild a patched layer in unpickling and deepcopy: pickle cannot find the patched class by a name."""
    return rebuild(merged_class(original), *arguments)


def _keep_for_recompute(state: Forward, record: LayerRecord, x: Tensor) -> None:
    """Checkpoint wrappers call their layer again in the backward, and keep nothing but the layer's input.

    So the record is attached to that input.

    Raises:
        UnsupportedModelError: if the wrapper is a reentrant one, which hands another tensor to the second call.
    """
    if state.grad and not torch.is_grad_enabled():
        rule = "Checkpointing around a layer must be non-reentrant: a second run must see the first one's merge."
        cure = "Use checkpoint_impl=CheckpointImpl.NO_REENTRANT, or model.gradient_checkpointing_enable()."
        raise UnsupportedModelError(complaint(rule, "a reentrant checkpoint wrapper", cure))
    if torch.is_grad_enabled():
        x._tome_kept = state, record  # pyright: ignore


def _of_recompute(site: LayerSite, x: Tensor) -> tuple[Forward, LayerRecord] | tuple[None, None]:
    """What the first run of a wrapped layer left on its input, if this is the second one, in a backward."""
    if torch.compiler.is_compiling() or torch._C._current_graph_task_id() == -1:  # no backward is under way
        return None, None
    state, record = getattr(x, "_tome_kept", (None, None))
    return (state, record) if record is not None and record.site is site else (None, None)
