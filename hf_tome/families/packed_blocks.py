"""Blocks of towers that pack images of several sizes in one sequence: see `families.blocks`."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from hf_tome.families.blocks import Merge

PACKED = "cu_seqlens", "position_embeddings"


def packed_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """Qwen2-VL and all that come from it: images of several sizes in one sequence (tokens, channels)."""
    named = dict(zip(PACKED, args, strict=False))
    x, normed = merge(x, layer.attn(layer.norm1(x), **named, **kwargs), layer.norm2)
    return x + layer.mlp(normed)


def packed_clip_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """VideoLLaMA 3, PaddleOCR-VL: the same with CLIP's parts."""
    named = dict(zip(PACKED, args, strict=False))
    attended, _ = layer.self_attn(layer.layer_norm1(x), **named, **kwargs)
    x, normed = merge(x, attended, layer.layer_norm2)
    return x + layer.mlp(normed)


def cosmos3_block(layer: Any, x: Tensor, cu_seqlens: Any, *, merge: Merge, **kwargs: Any) -> Tensor:
    """Cosmos 3 Edge: the same without rotary positions."""
    attended = layer.self_attn(hidden_states=layer.layer_norm1(x), cu_seqlens=cu_seqlens, **kwargs)
    x, normed = merge(x, attended, layer.layer_norm2)
    return x + layer.mlp(normed)


def minimax_m3_block(layer: Any, x: Tensor, attention_mask: Any = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """MiniMax M3: the same in a batch of one, which its attention takes without that axis."""
    attended, _ = layer.self_attn(layer.layer_norm1(x).squeeze(0), **kwargs)
    x, normed = merge(x, attended.view_as(x), layer.layer_norm2)
    return x + layer.mlp(normed)


def pixtral_block(
    layer: Any, x: Tensor, attention_mask: Any, position_embeddings: Any = None, *, merge: Merge, **kwargs: Any
) -> Tensor:
    """Pixtral: images in one sequence, which a mask hides from each other."""
    told = {"attention_mask": attention_mask, "position_embeddings": position_embeddings}
    attended, _ = layer.attention(hidden_states=layer.attention_norm(x), **told, **kwargs)
    x, normed = merge(x, attended, layer.ffn_norm)
    return x + layer.feed_forward(normed)
