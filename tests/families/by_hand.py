"""Token merging around the layers of a plain model, written once for all families: slow, obvious, float64.

It shares no code with the package. Every layer gets and gives all original tokens, of which those of one group are
equal; so whatever stands around the layers works as it is. A layer runs twice: once up to its second norm, to see the
keys and the tokens there; and once more on merged tokens with an attention that gives zeros, for the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import oracle
import pytest
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Where the parts are.

    Attributes:
        tower: class name of the encoder.
        layers: path of its layers.
        attention: name of a layer's attention.
        norm: name of the norm before its MLP.
        protected: tokens at the front that never merge.
        at_end: the same at the end.
        positions: argument of a layer that says where its tokens are. Tokens are then compared by values.
        own: path of an attention that computes by itself.
        packed: whether images of several sizes stand in one sequence, without a batch axis.
    """

    tower: str
    layers: str
    attention: str
    norm: str
    protected: int
    at_end: int = 0
    positions: str = ""
    own: str = ""
    packed: bool = False


def merge_by_hand(
    model: nn.Module,
    shape: Shape,
    r: int,
    prop_attn: bool,
    mask: Tensor | None,
    patch: pytest.MonkeyPatch,
    residual: bool = False,
) -> None:
    """Make each layer of a plain model, whose attention is eager, merge r tokens.

    Args:
        mask: (batch, tokens), 0 for padding.
        residual: restore="residual": each token keeps what set it apart from its group.
    """
    tower = next(module for module in model.modules() if type(module).__name__ == shape.tower)
    layers = list(tower.get_submodule(shape.layers).children())
    run = (PackedRun if shape.packed else Run)(shape, r, prop_attn, mask, residual)
    for module in {type(part).__module__ for part in layers[0].get_submodule(shape.attention).modules()}:
        for name, plain in list(vars(sys.modules[module]).items()):
            if name.endswith("eager_attention_forward"):
                patch.setattr(sys.modules[module], name, partial(run.attention, plain))
    for index, layer in enumerate(layers):
        layer.forward = partial(run.layer, layer, index, layer.forward)


@dataclass
class Run:
    """One forward."""

    shape: Shape
    r: int
    prop_attn: bool
    mask: Tensor | None
    residual: bool
    apart: Tensor | float = 0.0
    groups: list[oracle.Merge] = field(default_factory=list)
    sizes: list[list[float]] = field(default_factory=list)
    bias: Tensor | None = None
    keys: Any = None
    tuples: bool = False
    attending: Any = None

    def layer(self, layer: Any, index: int, plain: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> Any:
        batch, tokens = x.shape[:2]
        samples = range(batch)
        if index == 0:
            self.groups = [oracle.Merge([[token] for token in range(tokens)])] * batch
            self.sizes = [[1.0] * tokens] * batch if self.mask is None else self.mask.double().tolist()
            self.apart = 0.0
        x = x - self.apart
        short = torch.stack([x[b, [old[0] for old in self.groups[b].members]] for b in samples])
        if self.shape.positions == "position_embeddings":
            kwargs["position_embeddings"] = tuple(self.mean_position(each) for each in kwargs["position_embeddings"])
        elif self.shape.positions:
            args = (torch.tensor([[old[0] for old in groups.members] for groups in self.groups]), *args[1:])
        middle = self.first_half(layer, plain, short, *args, **kwargs)
        merges = [self.match(self.keys[b].transpose(0, 1), self.sizes[b]) for b in samples]
        merged = [merges[b].merge(middle[b].tolist(), self.sizes[b]) for b in samples]
        self.sizes = [merges[b].sizes(self.sizes[b]) for b in samples]
        before = torch.stack([middle[b, self.groups[b].groups] for b in samples])
        self.groups = [oracle.then(self.groups[b], merges[b]) for b in samples]
        if self.residual:
            means = torch.tensor(merged, dtype=x.dtype)
            self.apart = self.apart + before - torch.stack([means[b, self.groups[b].groups] for b in samples])
        out = self.second_half(layer, plain, torch.tensor(merged, dtype=x.dtype), *args, **kwargs)
        features, rest = (out[0], out[1:]) if isinstance(out, tuple) else (out, None)
        full = torch.stack([features[b, self.groups[b].groups] for b in samples]) + self.apart
        return full if rest is None else (full, *rest)

    def mean_position(self, each: Tensor) -> Tensor:
        """Of each group, from (patches, channels) or (batch or 1, tokens, channels): the mean over its members."""
        of_patches = each.ndim == 2
        before = torch.zeros(self.shape.protected, each.shape[-1], dtype=each.dtype)
        table = torch.cat([before, each])[None] if of_patches else each
        rows = []
        for sample, groups in enumerate(self.groups):
            real = [
                [old for old in members if self.mask is None or self.mask[sample, old]] for members in groups.members
            ]
            every = table[sample % len(table)]
            rows.append(
                torch.stack(
                    [every[kept or members[:1]].mean(dim=0) for kept, members in zip(real, groups.members, strict=True)]
                )
            )
        means = torch.stack(rows)
        return means[:, None, self.shape.protected :] if of_patches and self.shape.protected else means

    def first_half(self, layer: Any, plain: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The tokens between attention and MLP; remembers the keys."""
        seen: list[Tensor] = []
        sizes = torch.tensor(self.sizes, dtype=torch.float64)
        self.bias = sizes.log() if self.prop_attn else torch.where(sizes == 0, -torch.inf, 0.0)
        attention, norm = layer.get_submodule(self.shape.attention), layer.get_submodule(self.shape.norm)
        self.attending = list(attention.modules())
        own = layer.get_submodule(self.shape.own) if self.shape.own else None
        if own is not None:
            own.forward = partial(self.own_attention, own)
        hooks = [
            attention.register_forward_hook(lambda _, args, out: setattr(self, "tuples", isinstance(out, tuple))),
            norm.register_forward_pre_hook(lambda _, args: seen.append(args[0])),
        ]
        plain(x, *args, **kwargs)
        for hook in hooks:
            hook.remove()
        if own is not None:
            del own.forward
        self.bias = None
        return seen[0].view_as(x)

    def second_half(self, layer: Any, plain: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> Any:
        attention, tuples = layer.get_submodule(self.shape.attention), self.tuples

        def nothing(*args: Any, **kwargs: Any) -> Any:
            zeros = torch.zeros_like(args[0] if args else kwargs["hidden_states"])
            return (zeros, None) if tuples else zeros

        attention.forward = nothing
        try:
            return plain(x, *args, **kwargs)
        finally:
            del attention.forward

    def attention(
        self, plain: Callable[..., Any], module: Any, q: Tensor, k: Tensor, v: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """In place of the family's eager attention. Masks count nothing: sizes of 0 hide padding."""
        if self.bias is None or not any(module is part for part in self.attending):
            return plain(module, q, k, v, *args, **kwargs)
        tokens = self.bias.shape[1]  # others may stand behind them for the attention alone
        self.keys = (v if self.shape.positions else k)[:, :, :tokens]
        k, v = (each.repeat_interleave(q.shape[1] // each.shape[1], dim=1) for each in (k, v))
        scaling = kwargs.get("scaling") or q.shape[-1] ** -0.5
        bias = torch.nn.functional.pad(self.bias, (0, k.shape[2] - tokens))
        scores, cap = q @ k.mT * scaling, kwargs.get("softcap")
        scores = cap * (scores / cap).tanh() if cap else scores
        weights = (scores + bias[:, None, None]).softmax(dim=-1)
        return (weights @ v).transpose(1, 2).contiguous(), weights

    def own_attention(self, module: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """In place of an attention that computes by itself."""
        if hasattr(module, "qkv"):
            parts = module.qkv(hidden_states).chunk(3, dim=-1)
            heads = module.num_heads
        else:
            parts = [part(hidden_states) for part in (module.query, module.key, module.value)]
            heads = module.num_attention_heads
        q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts)
        out, weights = self.attention(self.own_attention, module, q, k, v)
        last = getattr(module, "projection", getattr(module, "proj", None))
        return out.flatten(2) if last is None else last(out.flatten(2)), weights

    def match(self, keys: Tensor, sizes: list[float]) -> oracle.Merge:
        """Keys (tokens, heads, channels) of one sample."""
        free = len(keys) - self.shape.at_end
        rows = keys.mean(dim=1).tolist()[:free]
        found = oracle.match(rows, self.r, self.shape.protected, [size == 0 for size in sizes[:free]])
        return oracle.Merge(found.members + [[token] for token in range(free, len(keys))])


class PackedRun(Run):
    """One forward of packed images: each of them runs by itself, as a batch of one."""

    images: list[Run]
    now: Run | None = None

    def layer(self, layer: Any, index: int, plain: Callable[..., Any], x: Tensor, *args: Any, **kwargs: Any) -> Any:
        ends = kwargs["cu_seqlens"].tolist() if "cu_seqlens" in kwargs else ends_by_mask(args[0])
        if index == 0:
            self.images = [Run(self.shape, self.r, self.prop_attn, None, self.residual) for _ in ends[1:]]
        out = []
        for run, first, end in zip(self.images, ends, ends[1:], strict=False):
            self.now, own = run, dict(kwargs)
            if self.shape.positions:
                own["position_embeddings"] = tuple(each[None, first:end] for each in kwargs["position_embeddings"])
            alone = partial(self.alone, plain, x.ndim)
            out.append(run.layer(layer, index, alone, x.view(1, -1, x.shape[-1])[:, first:end], *args, **own))
        self.now = None
        return torch.cat(out, dim=1).view_as(x)

    def alone(self, plain: Callable[..., Any], axes: int, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        if self.shape.positions:
            kwargs["position_embeddings"] = tuple(each[0] for each in kwargs["position_embeddings"])
        if "cu_seqlens" in kwargs:
            kwargs["cu_seqlens"] = torch.tensor([0, x.shape[1]])
        return plain(x if axes == 3 else x[0], *(None for _ in args), **kwargs).view_as(x)

    def attention(self, plain: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        return plain(*args, **kwargs) if self.now is None else self.now.attention(plain, *args, **kwargs)


def ends_by_mask(mask: Tensor) -> list[int]:
    """Where images begin and end that a mask (1, 1, tokens, tokens) hides from each other."""
    seen = (mask[0, 0] == 0).tolist()
    return [token for token in range(len(seen)) if token == 0 or not seen[token][token - 1]] + [len(seen)]
