"""A layer's forward in one go, with the merge in its place.

For a layer that is transformers' own, with nobody looking on between its parts. It computes what conjugation computes
(see `engine`), with no copy back to every position, no second merge, and less Python between the operations, which
counts for a single small image. The parts are called as they are, so that adapters and other linear layers count.
Every other layer goes the general way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook  # pyright: ignore[reportPrivateUsage]
from transformers.utils import output_capturing

from hf_tome.engine.attention import AttentionSite, attend
from hf_tome.engine.state import Frame
from hf_tome.families import Block

if TYPE_CHECKING:
    from jaxtyping import Float

Make = tuple[type[nn.Module], Callable[..., Any]]  # a class and its forward
Hooks = tuple[Callable[..., Any], Callable[..., Any]]

_DROPOUT = nn.Dropout.forward


class Parts(NamedTuple):
    """The parts of a layer that its forward runs, by the names of `Block`."""

    norm1: nn.Module
    attention: Any
    out: nn.Module
    dropout1: nn.Module
    norm2: nn.Module
    mlp: list[nn.Module]
    dropout2: nn.Module


class Direct:
    """The forward of one make of layers.

    Attributes:
        block: the names of its parts.
        hooks: those of the general way, on the second norm (before it) and on the MLP's last part (after it).
        makes: the layer, and the modules around its parts, as a trial has found them: what they do is known.
    """

    def __init__(self, block: Block, hooks: Hooks, makes: list[Make]) -> None:
        self.block, self.hooks, self.makes = block, hooks, makes
        fixed = block.norm1, block.attention, block.out, block.dropout1, block.norm2, block.dropout2
        self._paths = [path.split(".") for path in (*fixed, *block.mlp, *block.around)]

    def free_parts(self, layer: nn.Module, kind: type[nn.Module]) -> Parts | None:
        """The parts of a patched layer of class `kind`; None where anything else may see or change what they do."""
        try:
            parts, around = self.split(layer)
        except AttributeError:  # parts of another make, put in later
            return None
        (own, forward), *makes = self.makes
        if own is not kind or own.forward is not forward or "_tome" not in vars(parts.attention):
            return None
        for module, (own, forward) in zip(around, makes, strict=True):  # these do not run
            changed = type(module) is not own or own.forward is not forward or "forward" in vars(module)
            if changed or module._compiled_call_impl is not None or _watched(module):
                return None
        before, after = self.hooks
        for module in (parts.norm2, *parts.mlp, parts.dropout2):  # these run past their hooks, which must be ours alone
            ours = _only(module._forward_pre_hooks, before) + _only(module._forward_hooks, after)
            if _hooks(module) != ours or module._compiled_call_impl is not None:
                return None
        return None if _has_any_global_hook() else parts

    def split(self, layer: nn.Module) -> tuple[Parts, list[nn.Module]]:
        """The parts of a layer, and the modules around them."""
        norm1, attention, out, dropout1, norm2, dropout2, *rest = (reduce(getattr, path, layer) for path in self._paths)
        mlp, around = rest[: len(self.block.mlp)], rest[len(self.block.mlp) :]
        return Parts(norm1, attention, out, dropout1, norm2, mlp, dropout2), around

    def forward(
        self,
        parts: Parts,
        site: AttentionSite,
        frame: Frame,
        x: Float[Tensor, "batch tokens channels"],
        attention_mask: Tensor | None = None,  # hides nothing: see `tome_attention`
        **kwargs: Any,
    ) -> Float[Tensor, "batch groups channels"]:
        """The layer's output for its input x; a merge is decided on the way if none is yet."""
        x = self._attend(parts, site, frame, x, **kwargs)
        if frame.record.r > 0:
            frame.decide(x)
            x = frame.record.merge(x)
        y = parts.norm2.forward(x)
        for module in parts.mlp:
            y = module.forward(y)
        return (parts.dropout2.forward(y) if _drops(parts.dropout2) else y) + x

    def _attend(self, parts: Parts, site: AttentionSite, frame: Frame, x: Tensor, **kwargs: Any) -> Tensor:
        attention, normed = parts.attention, parts.norm1(x)
        heads = (*x.shape[:2], -1, getattr(attention, self.block.head_width))
        q, k, v = (getattr(attention, name)(normed).view(heads).transpose(1, 2) for name in self.block.projections)
        dropout = getattr(attention, self.block.attention_dropout) if attention.training else 0.0
        y, _ = attend(frame, site, attention, q, k, v, dropout=dropout, scaling=attention.scaling, **kwargs)
        y = parts.out(y.reshape(*x.shape[:2], -1))  # (batch, tokens, heads * width)
        return (parts.dropout1(y) if _drops(parts.dropout1) or _hooks(parts.dropout1) else y) + x


def _drops(dropout: nn.Module) -> bool:
    """Whether its forward may do anything. For one image the call alone costs something."""
    own = type(dropout) is nn.Dropout and nn.Dropout.forward is _DROPOUT and "forward" not in vars(dropout)
    return dropout.training or not own


def _hooks(module: nn.Module) -> int:
    forward = len(module._forward_hooks) + len(module._forward_pre_hooks)
    return forward + len(module._backward_hooks) + len(module._backward_pre_hooks)


def _only(hooks: dict[int, Callable[..., Any]], hook: Callable[..., Any]) -> bool:
    return len(hooks) == 1 and next(iter(hooks.values())) is hook


def _watched(module: nn.Module) -> bool:
    """Whether a hook on it does anything now: transformers leaves hooks behind that collect outputs if asked to."""
    if not _hooks(module):
        return False
    collector = getattr(output_capturing, "_active_collector", None)
    theirs = all(hook.__module__ == output_capturing.__name__ for hook in module._forward_hooks.values())
    if collector is None or not theirs or _hooks(module) > len(module._forward_hooks):
        return True
    return any("hidden_states" not in name for name in collector.get() or {})  # those are the layers' own
