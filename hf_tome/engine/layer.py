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
from hf_tome.engine.positions import follow
from hf_tome.engine.record import LayerRecord
from hf_tome.engine.state import LOCAL, Forward
from hf_tome.engine.tower import TowerSite, current_forward
from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families import Block


@dataclass(eq=False)
class LayerSite:
    """What a patched layer remembers.

    Attributes:
        tower: its tower.
        index: its place, from 0.
        block: runs in place of its class's forward.
        custom: whether the block is the user's own.
        arguments: names of the forward's arguments after the tokens.
        takes_mask: whether this is the first layer of a tower that makes its padding mask itself.
        attention_part: name of the layer's part that is the attention, or holds it.
        attention: the patched attention module.
        config: the one that the attention had before; None where it does not use transformers' attention interface.
        checked: the forward that the guard has compared with the block; not pickled, so that it is compared again.
    """

    tower: TowerSite
    index: int
    block: Block
    custom: bool
    arguments: list[str]
    takes_mask: bool
    attention_part: str
    attention: nn.Module
    config: PretrainedConfig | None
    checked: Callable[..., Any] | None = None

    def check(self, layer: nn.Module, kind: type[nn.Module]) -> None:
        """Refuse to run the block in place of a forward that computes something else.

        Raises:
            UnsupportedModelError: with the reason.
        """
        guard.check(layer, kind, self.block, self.attention_part, self.custom)
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
        state, record = current_forward(), None
        if state is None or state.site is not site.tower:
            state, record = _of_recompute(site, hidden_states)
            if state is None:
                return super().__call__(hidden_states, *args, **kwargs)  # pyright: ignore
        if site.checked is not self._tome_original.forward and not torch.compiler.is_compiling():
            site.check(self, self._tome_original)  # pyright: ignore
        if args:  # by name, as the block takes them
            kwargs = {**dict(zip(site.arguments, args, strict=False)), **kwargs}
            args = args[len(site.arguments) :]
        x, family, first_run = hidden_states, state.settings.family, record is None
        if site.takes_mask and first_run:
            state.take_mask(kwargs.get("attention_mask"))
        if family.boundaries:
            x, kwargs = as_one(record or state, x, kwargs)
        if record is None:
            record = state.enter(site, x)
        if family.positions:
            kwargs = follow(record, x, kwargs)
        if state.wrapped and first_run:
            _keep_for_recompute(state, record, hidden_states)
        if record.before is not None:
            hidden_states = record.before.merge(hidden_states)
        out = super().__call__(hidden_states, *args, tome_record=record, **kwargs)  # pyright: ignore
        if first_run:
            state.leave(record)
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
        if vars(self._tome):  # empty while it is itself being unpickled; then the next forward checks
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
    """Attach the record to the layer's input: a checkpoint wrapper calls the layer again with that in the backward.

    Raises:
        UnsupportedModelError: if the wrapper is reentrant, since its second call gets another tensor.
    """
    if state.grad and not torch.is_grad_enabled():
        rule = "Checkpointing around a layer must be non-reentrant: a second run must see the first one's merge."
        cure = "Use checkpoint_impl=CheckpointImpl.NO_REENTRANT, or model.gradient_checkpointing_enable()."
        raise UnsupportedModelError(complaint(rule, "a reentrant checkpoint wrapper", cure))
    if torch.is_grad_enabled():
        x._tome_kept = state, record  # pyright: ignore


def _of_recompute(site: LayerSite, x: Tensor) -> tuple[Forward, LayerRecord] | tuple[None, None]:
    """What the first run of a wrapped layer left on its input, if this is the second run, in a backward."""
    if torch.compiler.is_compiling() or torch._C._current_graph_task_id() == -1:  # no backward is running
        return None, None
    state, record = getattr(x, "_tome_kept", (None, None))
    return (state, record) if record is not None and record.site is site else (None, None)
