"""A layer's forward in one go, with the merge in its place.

For a layer that is transformers' own, with nobody looking on between its parts. It computes what conjugation computes
(see `engine`), with no copy back to every position, no second merge, and less Python between the operations, which
counts for a single small image. The parts are called as they are, so that adapters and other linear layers count.
Every other layer goes the general way.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook  # pyright: ignore[reportPrivateUsage]
from transformers import PretrainedConfig
from transformers.utils import output_capturing

from hf_tome.adapters import Block
from hf_tome.attention import AttentionSite, attend, eager_of
from hf_tome.config import ToMeConfig
from hf_tome.state import Frame, LayerRecord

if TYPE_CHECKING:
    from jaxtyping import Float


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
    """The forward of one make of layers."""

    def __init__(self, block: Block) -> None:
        self.block = block
        fixed = block.norm1, block.attention, block.out, block.dropout1, block.norm2, block.dropout2, block.mlp_out
        self._paths = [path.split(".") for path in (*fixed, *block.mlp, *block.around)]

    def parts(self, layer: nn.Module) -> Parts:
        """The parts of a layer."""
        return self._split(layer)[0]

    def free_parts(self, layer: nn.Module) -> Parts | None:
        """Those of a patched layer; None where anything else may see or change what passes between them."""
        parts, mlp_out, around = self._split(layer)
        for module in around:  # these do not run
            if _watched(module) or "forward" in vars(module) or not from_transformers(type(module)):
                return None
        for module in (parts.norm2, *parts.mlp, parts.dropout2):
            ours = 1 if module is parts.norm2 or module is mlp_out else 0  # for the general way
            if _hooks(module) != ours:
                return None
        return None if _has_any_global_hook() else parts

    def _split(self, layer: nn.Module) -> tuple[Parts, nn.Module, list[nn.Module]]:
        found = [reduce(getattr, path, layer) for path in self._paths]
        norm1, attention, out, dropout1, norm2, dropout2, mlp_out, *rest = found
        mlp, around = rest[: len(self.block.mlp)], rest[len(self.block.mlp) :]
        return Parts(norm1, attention, out, dropout1, norm2, mlp, dropout2), mlp_out, around

    def forward(
        self, parts: Parts, site: AttentionSite, frame: Frame, x: Float[Tensor, "batch tokens channels"], **kwargs: Any
    ) -> Float[Tensor, "batch groups channels"]:
        """The layer's output for its input x; a merge is decided on the way if none is yet."""
        x = self._attend(parts, site, frame, x, **kwargs)
        if frame.record.r > 0:
            frame.decide(x)
            x = frame.record.merge(x)
        y = parts.norm2.forward(x)  # `forward`: past our own hooks, there are no others
        for module in parts.mlp:
            y = module.forward(y)
        return (parts.dropout2.forward(y) if _drops(parts.dropout2) else y) + x

    def _attend(self, parts: Parts, site: AttentionSite, frame: Frame, x: Tensor, **kwargs: Any) -> Tensor:
        attention, normed = parts.attention, parts.norm1(x)
        heads = (*x.shape[:2], attention.num_attention_heads, -1)
        q, k, v = (getattr(attention, name)(normed).view(heads).transpose(1, 2) for name in self.block.projections)
        dropout = getattr(attention, self.block.attention_dropout) if attention.training else 0.0
        y, _ = attend(frame, site, attention, q, k, v, dropout=dropout, scaling=attention.scaling, **kwargs)
        y = parts.out(y.reshape(*x.shape[:2], -1))  # (batch, tokens, heads * width)
        return (parts.dropout1(y) if _drops(parts.dropout1) or _hooks(parts.dropout1) else y) + x


def agrees(direct: Direct, kind: type[nn.Module], config: type[PretrainedConfig]) -> bool:
    """Whether the forward of the layer class `kind` is the one that `direct` takes it for.

    Both run on a small layer with active dropout, and must agree to the bit. So a version of transformers with another
    forward gets the general way.
    """
    if not from_transformers(kind):
        return False
    sizes = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
    dropout = {"hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0.25}
    record = LayerRecord(0, 0, 1, 0, False, (recipe := ToMeConfig(r=0).recipe), recipe.combine(0), "eager", None, False)
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), torch.device("cpu"):
            small = config(**sizes, **dropout, attn_implementation="eager")  # pyright: ignore[reportCallIssue]
            layer = kind(small)
            for parameter in layer.parameters():
                parameter.normal_(std=0.5)  # those too that begin as 0 or 1
            parts, x, outputs = direct.parts(layer), torch.randn(2, 5, 16), []
            site = AttentionSite(small, eager_of(parts.attention))
            for run in (layer, lambda x: direct.forward(parts, site, Frame(record, x), x)):
                torch.default_generator.manual_seed(0)  # that of the CPU alone
                outputs.append(run(x))
            return torch.equal(*outputs)
    except Exception:  # a layer that is built or runs in another way: the general way is for all
        return False


def from_transformers(kind: type[nn.Module]) -> bool:
    """Whether the forward of a class is transformers' own."""
    return kind.forward.__module__.startswith("transformers.")


def _drops(dropout: nn.Module) -> bool:
    """Whether its forward may do anything. For one image the call alone costs something."""
    return dropout.training or type(dropout) is not nn.Dropout


def _hooks(module: nn.Module) -> int:
    forward = len(module._forward_hooks) + len(module._forward_pre_hooks)
    return forward + len(module._backward_hooks) + len(module._backward_pre_hooks)


def _watched(module: nn.Module) -> bool:
    """Whether a hook on it does anything now: transformers leaves hooks behind that collect outputs if asked to."""
    if not _hooks(module):
        return False
    collected = output_capturing._active_collector.get() or {}  # pyright: ignore[reportPrivateUsage]
    idle = "attentions" not in collected and _hooks(module) == len(module._forward_hooks)
    return not (idle and all(hook.__module__ == output_capturing.__name__ for hook in module._forward_hooks.values()))
