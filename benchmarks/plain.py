"""Token merging as one would write it from the paper: eager attention, dense matching, sort, scatter.

The baseline of the speed benchmark. It is written from the text of ToMe (arXiv 2210.09461), section 3, in its order and
without a look at speed, and replaces the layers of a ViT, DeiT, AST or VideoMAE.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

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
        sizes = torch.ones_like(hidden_states[:, :, 0]) if self.first else self.state["sizes"]
        attended, keys = self.attend(self.parts["norm1"](hidden_states), sizes)
        x, sizes = merge(hidden_states + attended, sizes, keys, self.r, self.protected)
        self.state["sizes"] = sizes
        x = x + self.parts["mlp"](self.parts["norm2"](x))
        # the head takes the plain mean of all tokens, which should weigh each by its size
        return x * (sizes / sizes.mean(dim=1, keepdim=True))[:, :, None] if self.pooled else x

    def attend(self, x: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Attention that counts each token as often as its size says, and the mean key of the heads."""
        query, key, value = (
            self.parts[name](x).unflatten(2, (self.heads, -1)).transpose(1, 2) for name in ("query", "key", "value")
        )  # (batch, heads, tokens, channels)
        scores = query @ key.mT / query.shape[-1] ** 0.5
        if self.proportional:
            scores += sizes.log()[:, None, None]
        mixed = torch.softmax(scores, dim=-1) @ value
        return self.parts["out"](mixed.transpose(1, 2).flatten(2)), key.mean(dim=1)


def merge(x: Tensor, sizes: Tensor, keys: Tensor, r: int, protected: int) -> tuple[Tensor, Tensor]:
    """The five steps of bipartite soft matching (section 3).

    Args:
        x: (batch, tokens, channels).
        sizes: (batch, tokens), the patches that each token stands for.
        keys: (batch, tokens, channels), what is compared.
        r: tokens to merge.
        protected: tokens in front that never merge.
    """
    place = torch.arange(x.shape[1], device=x.device)
    r = min(r, (len(place) - protected) // 2)
    if r <= 0:
        return x, sizes
    # 1. two sets of tokens, by turns
    ours, theirs = place[::2], place[1::2]
    # 2. an edge from each token of ours to the most similar one of theirs
    keys = normalize(keys, dim=-1)
    similar = keys[:, ours] @ keys[:, theirs].mT
    similar.masked_fill_((ours < protected)[:, None] | (theirs < protected), -torch.inf)
    edges, partner = similar.max(dim=2)
    # 3. the r best edges; without a class token, the others stay in the order of their edges
    going, staying = edges.sort(dim=1, descending=True).indices.split([r, len(ours) - r], dim=1)
    if protected:
        staying = staying.sort(dim=1).values
    # 4. each token that goes is added to its partner; 5. one sequence again, the protected tokens in front
    front, theirs = place.expand(len(x), -1)[:, :protected], theirs.expand(len(x), -1)
    left = torch.cat([front, 2 * staying[:, (protected + 1) // 2 :], theirs[:, protected // 2 :]], dim=1)
    joined = staying.shape[1] + partner.gather(1, going)

    def total(values: Tensor) -> Tensor:
        left_, joined_, going_ = (
            index[:, :, None].expand(-1, -1, values.shape[2]) for index in (left, joined, 2 * going)
        )
        return values.gather(1, left_).scatter_add_(1, joined_, values.gather(1, going_))

    weight = total(sizes[:, :, None])
    return total(x * sizes[:, :, None]) / weight, weight[:, :, 0]
