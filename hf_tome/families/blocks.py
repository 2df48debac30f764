"""Token merging, written down: one short function for each shape of layer.

Each is a layer's own forward with a merge between attention and MLP. It calls the layer's parts as modules, so hooks,
adapters, quantised and replaced parts work by themselves. `engine.guard` lets a block run only in place of a forward
that computes the same.

    x: (batch, tokens, channels) before the merge, (batch, groups, channels) after it
    merge(x): from the one to the other
    merge(x, attended): the same as merge(x + attended); a GPU does both in one go
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import dropout

Block = Callable[..., Any]  # of (layer, x, *args, merge, **kwargs), where args and kwargs are the layer's own


class Merge(Protocol):
    """What a block merges by."""

    def __call__(self, x: Tensor, attended: Tensor | None = None, /) -> Tensor: ...


def vit_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """ViT, DeiT, AST, ViT-MAE, ViT-MSN, I-JEPA, ViViT."""
    attended, _ = layer.attention(layer.layernorm_before(x), *args, **kwargs)
    x = merge(x, layer.dropout(attended))
    return layer.dropout(layer.mlp(layer.layernorm_after(x))) + x


def pixio_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """Pixio: ViT with drop path."""
    attended, _ = layer.attention(layer.layernorm_before(x), *args, **kwargs)
    x = merge(x, layer.drop_path(layer.dropout(attended)))
    return layer.drop_path(layer.dropout(layer.mlp(layer.layernorm_after(x)))) + x


def beit_block(
    layer: Any,
    x: Tensor,
    attention_mask: Tensor | None = None,
    interpolate_pos_encoding: Any = False,
    resolution: Any = None,
    *,
    merge: Merge,
    **kwargs: Any,
) -> Tensor:
    """BEiT without relative positions: a learned scale on each residual."""
    attended, _ = layer.attention(layer.layernorm_before(x), attention_mask=attention_mask, **kwargs)
    x = merge(x, layer.drop_path(layer.lambda_1 * layer.dropout(attended)))
    return layer.drop_path(layer.lambda_2 * layer.dropout(layer.mlp(layer.layernorm_after(x)))) + x


def internvl_block(layer: Any, x: Tensor, *, merge: Merge) -> Tensor:
    """InternVL: a learned scale on each residual."""
    attended, _ = layer.attention(layer.layernorm_before(x))
    x = merge(x, layer.lambda_1 * attended)
    out = layer.dropout(layer.mlp(layer.layernorm_after(x)))
    return (out if layer.lambda_2 is None else layer.lambda_2 * out) + x


def nested_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """VideoMAE, DPT, YOLOS: the MLP stands in two modules, of which the second adds the residual."""
    x = merge(x, layer.attention(layer.layernorm_before(x), *args, **kwargs))
    return layer.output(layer.intermediate(layer.layernorm_after(x)), x)


def vitpose_block(layer: Any, x: Tensor, dataset_index: Any = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """ViTPose: its MLP may be a mixture of experts, one for each data set."""
    x = merge(x, layer.attention(layer.layernorm_before(x), **kwargs))
    experts = {} if layer.num_experts == 1 else {"indices": dataset_index}
    return layer.mlp(layer.layernorm_after(x), **experts) + x


def dinov2_block(layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """DINOv2, with registers too."""
    attended, _ = layer.attention(layer.norm1(x), attention_mask=attention_mask, **kwargs)
    x = merge(x, layer.drop_path(layer.layer_scale1(attended)))
    return layer.drop_path(layer.layer_scale2(layer.mlp(layer.norm2(x)))) + x


def clip_block(layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """CLIP, SigLIP and most that come from them."""
    attended, _ = layer.self_attn(hidden_states=layer.layer_norm1(x), attention_mask=attention_mask, **kwargs)
    x = merge(x, attended)
    return x + layer.mlp(layer.layer_norm2(x))


def blip_block(layer: Any, x: Tensor, *, merge: Merge, **kwargs: Any) -> Tensor:
    """BLIP-2, InstructBLIP: CLIP without a mask."""
    attended, _ = layer.self_attn(hidden_states=layer.layer_norm1(x), **kwargs)
    x = merge(x, attended)
    return x + layer.mlp(layer.layer_norm2(x))


def aimv2_block(layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """AIMv2."""
    attended, _ = layer.attention(hidden_states=layer.rms_norm1(x), attention_mask=attention_mask, **kwargs)
    x = merge(x, attended)
    return x + layer.ffn(layer.rms_norm2(x))


def whisper_block(
    layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any
) -> Tensor:
    """Whisper and the encoders that come from it: dropout as functions, and no infinity in float16."""
    normed = layer.self_attn_layer_norm(x)
    attended, _ = layer.self_attn(hidden_states=normed, attention_mask=attention_mask, **kwargs)
    x = merge(x, dropout(attended, layer.dropout, layer.training))
    inner = layer.activation_fn(layer.fc1(layer.final_layer_norm(x)))
    inner = layer.fc2(dropout(inner, layer.activation_dropout, layer.training))
    x = x + dropout(inner, layer.dropout, layer.training)
    if x.dtype != torch.float16:
        return x
    most = torch.finfo(x.dtype).max - 1000
    return x.clamp(-most, most)


def wav2vec2_block(
    layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any
) -> Tensor:
    """wav2vec 2.0 and its kin with the norm in front."""
    attended, _ = layer.attention(layer.layer_norm(x), attention_mask=attention_mask, **kwargs)
    x = merge(x, layer.dropout(attended))
    x = x + layer.feed_forward(layer.final_layer_norm(x))
    return x if layer.adapter_layer is None else x + layer.adapter_layer(x)


def dinov3_block(
    layer: Any,
    x: Tensor,
    attention_mask: Tensor | None = None,
    position_embeddings: Any = None,
    *,
    merge: Merge,
    **kwargs: Any,
) -> Tensor:
    """DINOv3: DINOv2 with rotary positions."""
    attended, _ = layer.attention(
        layer.norm1(x), attention_mask=attention_mask, position_embeddings=position_embeddings, **kwargs
    )
    x = merge(x, layer.drop_path(layer.layer_scale1(attended)))
    return layer.drop_path(layer.layer_scale2(layer.mlp(layer.norm2(x)))) + x


def vjepa2_block(layer: Any, x: Tensor, position_mask: Any = None, *, merge: Merge, **kwargs: Any) -> Any:
    """V-JEPA 2."""
    attended, weights = layer.attention(layer.norm1(x), position_mask=position_mask)
    x = merge(x, layer.drop_path(attended))
    return layer.drop_path(layer.mlp(layer.norm2(x))) + x, weights
