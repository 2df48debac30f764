"""Token merging as one would write it from the paper: eager attention, dense matching, argsort, scatter.

The baseline of the speed benchmark. It follows the text of ToMe (arXiv 2210.09461), section 3 and appendix D, without a
look at speed, and replaces the layers of a ViT, DeiT, AST or VideoMAE.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

PROTECTED = {"vit": 1, "deit": 2, "audio-spectrogram-transformer": 2, "videomae": 0}  # class and distillation tokens


def plain_tome(model: Any, r: int) -> Any:
    """The model with its layers replaced; merged tokens stay merged, so heads that read the grid are not for it."""
    video = model.config.model_type == "videomae"
    layers = layers_of(model)
    protected = PROTECTED[model.config.model_type]
    state: dict[str, Tensor] = {}
    for index, layer in enumerate(layers):
        parts = video_parts(layer) if video else parts_of(layer)
        last = index == len(layers) - 1
        layers[index] = PlainLayer(
            parts, model.config.num_attention_heads, r, protected, index == 0, last and video, not video, state
        )
    return model


def layers_of(model: Any) -> nn.ModuleList:
    """The layers of a ViT, DeiT, AST or VideoMAE."""
    base = model.base_model
    return base.encoder.layer if model.config.model_type == "videomae" else base.layers


def parts_of(layer: Any) -> nn.ModuleDict:
    """The parts of a ViT, DeiT or AST layer."""
    attention = layer.attention
    return nn.ModuleDict(
        {
            "norm1": layer.layernorm_before,
            "query": attention.q_proj,
            "key": attention.k_proj,
            "value": attention.v_proj,
            "out": attention.o_proj,
            "norm2": layer.layernorm_after,
            "mlp": layer.mlp,
        }
    )


def video_parts(layer: Any) -> nn.ModuleDict:
    """The parts of a VideoMAE layer."""
    attention = layer.attention.attention
    return nn.ModuleDict(
        {
            "norm1": layer.layernorm_before,
            "query": attention.query,
            "key": attention.key,
            "value": attention.value,
            "out": layer.attention.output.dense,
            "norm2": layer.layernorm_after,
            "mlp": nn.Sequential(layer.intermediate, layer.output.dense),
        }
    )


class PlainLayer(nn.Module):
    """A pre-norm layer that merges r tokens between attention and MLP."""

    def __init__(
        self,
        parts: nn.ModuleDict,
        heads: int,
        r: int,
        protected: int,
        first: bool,
        pooled: bool,
        proportional: bool,
        state: dict[str, Tensor],
    ) -> None:
        super().__init__()
        self.parts, self.heads, self.r, self.protected = parts, heads, r, protected
        self.first, self.pooled, self.proportional, self.state = first, pooled, proportional, state

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = hidden_states
        if self.first:
            self.state["sizes"] = torch.ones_like(x[..., :1])
        sizes = self.state["sizes"]
        out, metric = self.attend(self.parts["norm1"](x), sizes)
        x = x + out
        r = min(self.r, (x.shape[1] - self.protected) // 2)
        if r > 0:
            x, sizes = merge(x, sizes, metric, r, self.protected)
        self.state["sizes"] = sizes
        x = x + self.parts["mlp"](self.parts["norm2"](x))
        # the head takes the plain mean of all tokens, which should weigh each by its size
        return x * sizes / sizes.mean(dim=1, keepdim=True) if self.pooled else x

    def attend(self, x: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        batch, tokens, channels = x.shape
        q, k, v = (self.parts[name](x).view(batch, tokens, self.heads, -1) for name in ("query", "key", "value"))
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if self.proportional:
            scores = scores + sizes.log()[:, None, None, :, 0]
        out = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, tokens, channels)
        return self.parts["out"](out), k.mean(dim=1)


def merge(x: Tensor, sizes: Tensor, metric: Tensor, r: int, protected: int) -> tuple[Tensor, Tensor]:
    """Bipartite soft matching (appendix D), then the size-weighted mean of what was matched."""
    metric = metric / metric.norm(dim=-1, keepdim=True)
    scores = metric[:, ::2] @ metric[:, 1::2].transpose(-1, -2)
    if protected > 0:
        scores[:, 0, :] = -torch.inf
    if protected > 1:
        scores[:, :, 0] = -torch.inf
    best, target = scores.max(dim=-1)
    order = best.argsort(dim=-1, descending=True)[..., None]
    kept, merged = order[:, r:], order[:, :r]
    target = target[..., None].gather(1, merged)
    if protected > 0:
        kept = kept.sort(dim=1).values

    def merged_sum(values: Tensor) -> Tensor:
        sources, destinations = values[:, ::2], values[:, 1::2]
        width = values.shape[-1]
        stay = sources.gather(1, kept.expand(-1, -1, width))
        joins = sources.gather(1, merged.expand(-1, -1, width))
        destinations = destinations.scatter_reduce(1, target.expand(-1, -1, width), joins, reduce="sum")
        if protected > 1:  # the distillation token stays second
            return torch.cat([stay[:, :1], destinations[:, :1], stay[:, 1:], destinations[:, 1:]], dim=1)
        return torch.cat([stay, destinations], dim=1)

    total = merged_sum(sizes)
    return merged_sum(x * sizes) / total, total
