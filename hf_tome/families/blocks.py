"""Token merging, written down: one short function for each shape of layer.

Each is a layer's own forward with `x = merge(x)` between attention and MLP. It calls the layer's parts as modules, so
hooks, adapters, quantised and replaced parts work by themselves. `engine.guard` lets a block run only in place of a
forward that computes the same.

    x: (batch, tokens, channels) before the merge, (batch, groups, channels) after it
    merge: from the one to the other
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

Merge = Callable[[Tensor], Tensor]
Block = Callable[..., Any]  # of (layer, x, *args, merge, **kwargs), where args and kwargs are the layer's own


def vit_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """ViT, DeiT, AST."""
    attended, _ = layer.attention(layer.layernorm_before(x), *args, **kwargs)
    x = merge(layer.dropout(attended) + x)
    return layer.dropout(layer.mlp(layer.layernorm_after(x))) + x


def nested_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """VideoMAE: the MLP stands in two modules, of which the second adds the residual."""
    x = merge(layer.attention(layer.layernorm_before(x), *args, **kwargs) + x)
    return layer.output(layer.intermediate(layer.layernorm_after(x)), x)
