"""Token merging, written down: one short function for each shape of layer.

Each is a layer's own forward with a merge between attention and MLP. It calls the layer's parts as modules, so hooks,
adapters, quantised and replaced parts work by themselves. `engine.guard` lets a block run only in place of a forward
that computes the same.

    x: (batch, tokens, channels) before the merge, (batch, groups, channels) after it
    merge(x): from the one to the other
    merge(x, attended, norm): that of x + attended, and norm of it; a GPU does the three in one launch
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, overload

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

Block = Callable[..., Any]  # of (layer, x, *args, merge, **kwargs), where args and kwargs are the layer's own


class Merge(Protocol):
    """What a block merges by."""

    @overload
    def __call__(self, x: Tensor, /) -> Tensor: ...
    @overload
    def __call__(self, x: Tensor, attended: Tensor, norm: nn.Module, /) -> tuple[Tensor, Tensor]: ...


def vit_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """ViT, DeiT, AST, ViT-MAE, ViT-MSN, I-JEPA, ViViT, VideoPrism."""
    attended, _ = layer.attention(layer.layernorm_before(x), *args, **kwargs)
    x, normed = merge(x, layer.dropout(attended), layer.layernorm_after)
    return layer.dropout(layer.mlp(normed)) + x


def pixio_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """Pixio: ViT with drop path."""
    attended, _ = layer.attention(layer.layernorm_before(x), *args, **kwargs)
    x, normed = merge(x, layer.drop_path(layer.dropout(attended)), layer.layernorm_after)
    return layer.drop_path(layer.dropout(layer.mlp(normed))) + x


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
    x, normed = merge(x, layer.drop_path(layer.lambda_1 * layer.dropout(attended)), layer.layernorm_after)
    return layer.drop_path(layer.lambda_2 * layer.dropout(layer.mlp(normed))) + x


def internvl_block(layer: Any, x: Tensor, *, merge: Merge) -> Tensor:
    """InternVL: a learned scale on each residual."""
    attended, _ = layer.attention(layer.layernorm_before(x))
    x, normed = merge(x, layer.lambda_1 * attended, layer.layernorm_after)
    out = layer.dropout(layer.mlp(normed))
    return (out if layer.lambda_2 is None else layer.lambda_2 * out) + x


def qianfan_block(layer: Any, x: Tensor, *, merge: Merge, **kwargs: Any) -> Tensor:
    """Qianfan-OCR: InternVL with drop path."""
    attended, _ = layer.attention(layer.layernorm_before(x), **kwargs)
    x, normed = merge(x, layer.drop_path1(layer.lambda_1 * attended), layer.layernorm_after)
    return layer.drop_path2(layer.lambda_2 * layer.dropout(layer.mlp(normed))) + x


def nested_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """VideoMAE, DPT, YOLOS: the MLP stands in two modules, of which the second adds the residual."""
    x, normed = merge(x, layer.attention(layer.layernorm_before(x), *args, **kwargs), layer.layernorm_after)
    return layer.output(layer.intermediate(normed), x)


def flava_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Any:
    """FLAVA: as VideoMAE; its attention weights go along."""
    names = ("attention_mask", "output_attentions")
    named = dict(zip(names, args, strict=False))
    attended, *weights = layer.attention(layer.layernorm_before(x), **named, **kwargs)
    x, normed = merge(x, attended, layer.layernorm_after)
    return layer.output(layer.intermediate(normed), x), *weights


def timesformer_block(layer: Any, x: Tensor, output_attentions: Any = False, *, merge: Merge) -> Any:
    """TimeSformer with one attention over space and time."""
    attended, *weights = layer.attention(layer.layernorm_before(x), output_attentions=output_attentions)
    x, normed = merge(x, layer.drop_path(attended), layer.layernorm_after)
    return x + layer.drop_path(layer.output(layer.intermediate(normed))), *weights


def vitpose_block(layer: Any, x: Tensor, dataset_index: Any = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """ViTPose: its MLP may be a mixture of experts, one for each data set."""
    x, normed = merge(x, layer.attention(layer.layernorm_before(x), **kwargs), layer.layernorm_after)
    experts = {} if layer.num_experts == 1 else {"indices": dataset_index}
    return layer.mlp(normed, **experts) + x


def mgpstr_block(layer: Any, x: Tensor, *, merge: Merge) -> Any:
    """MGP-STR."""
    attended = layer.attn(layer.norm1(x))
    x, normed = merge(x, layer.drop_path(attended[0]), layer.norm2)
    return x + layer.drop_path(layer.mlp(normed)), attended[1]


def dinov2_block(layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """DINOv2, with registers too."""
    attended, _ = layer.attention(layer.norm1(x), attention_mask=attention_mask, **kwargs)
    x, normed = merge(x, layer.drop_path(layer.layer_scale1(attended)), layer.norm2)
    return layer.drop_path(layer.layer_scale2(layer.mlp(normed))) + x


def clip_block(layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """CLIP, SigLIP and most that come from them."""
    attended, _ = layer.self_attn(hidden_states=layer.layer_norm1(x), attention_mask=attention_mask, **kwargs)
    x, normed = merge(x, attended, layer.layer_norm2)
    return x + layer.mlp(normed)


def blip_block(layer: Any, x: Tensor, *, merge: Merge, **kwargs: Any) -> Tensor:
    """BLIP, BLIP-2, InstructBLIP: CLIP without a mask."""
    attended, _ = layer.self_attn(hidden_states=layer.layer_norm1(x), **kwargs)
    x, normed = merge(x, attended, layer.layer_norm2)
    return x + layer.mlp(normed)


def xclip_block(layer: Any, x: Tensor, attention_mask: Any, *, merge: Merge, **kwargs: Any) -> Tensor:
    """X-CLIP: a message from the class tokens of all frames stands behind the tokens of each while they attend."""
    message = layer.message_fc(x[:, 0, :]).view(-1, layer.num_frames, x.shape[-1])
    message = message + layer.drop_path(layer.message_attn(layer.message_ln(message), **kwargs)[0])
    x = torch.cat([x, message.view(-1, 1, x.shape[-1])], dim=1)
    attended, _ = layer.self_attn(hidden_states=layer.layer_norm1(x), attention_mask=attention_mask, **kwargs)
    x = merge((x + attended)[:, :-1])
    return x + layer.mlp(layer.layer_norm2(x))


def aimv2_block(layer: Any, x: Tensor, attention_mask: Tensor | None = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """AIMv2, Ovis 2."""
    attended, _ = layer.attention(hidden_states=layer.rms_norm1(x), attention_mask=attention_mask, **kwargs)
    x, normed = merge(x, attended, layer.rms_norm2)
    return x + layer.ffn(normed)


def whisper_block(layer: Any, x: Tensor, attention_mask: Any = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """Whisper and the encoders that come from it: dropout as functions, and no infinity in float16."""
    normed = layer.self_attn_layer_norm(x)
    attended, _ = layer.self_attn(hidden_states=normed, attention_mask=attention_mask, **kwargs)
    x, normed = merge(x, dropout(attended, layer.dropout, layer.training), layer.final_layer_norm)
    inner = layer.activation_fn(layer.fc1(normed))
    inner = layer.fc2(dropout(inner, layer.activation_dropout, layer.training))
    x = x + dropout(inner, layer.dropout, layer.training)
    if x.dtype != torch.float16:
        return x
    most = torch.finfo(x.dtype).max - 1000
    return x.clamp(-most, most)


def wav2vec2_block(layer: Any, x: Tensor, attention_mask: Any = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """wav2vec 2.0 and its kin with the norm in front."""
    attended, _ = layer.attention(layer.layer_norm(x), attention_mask=attention_mask, **kwargs)
    x, normed = merge(x, layer.dropout(attended), layer.final_layer_norm)
    x = x + layer.feed_forward(normed)
    return x if layer.adapter_layer is None else x + layer.adapter_layer(x)


def pix2struct_block(layer: Any, x: Tensor, attention_mask: Any = None, *, merge: Merge, **kwargs: Any) -> Any:
    """Pix2Struct."""
    normed = layer.pre_attention_layer_norm(x)
    attended, weights = layer.attention(normed, attention_mask=attention_mask, **kwargs)
    x, normed = merge(x, attended, layer.pre_mlp_layer_norm)
    return layer.mlp(normed) + x, weights


def kosmos_2_5_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """KOSMOS-2.5: Pix2Struct without its attention weights."""
    return pix2struct_block(layer, x, *args, merge=merge, **kwargs)[0]


def gemma4_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """Gemma 4: norms on both sides of attention and MLP."""
    names = ("position_embeddings", "attention_mask", "position_ids")
    named = dict(zip(names, args, strict=False))
    attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(x), **named, **kwargs)
    x, normed = merge(x, layer.post_attention_layernorm(attended), layer.pre_feedforward_layernorm)
    return x + layer.post_feedforward_layernorm(layer.mlp(normed))


def step3p7_block(
    layer: Any, x: Tensor, attention_mask: Any = None, position_embeddings: Any = None, *, merge: Merge, **kwargs: Any
) -> Tensor:
    """Step 3.7: a learned scale on each residual, and rotary positions."""
    attended, _ = layer.self_attn(
        layer.layernorm_before(x), attention_mask=attention_mask, position_embeddings=position_embeddings, **kwargs
    )
    x, normed = merge(x, layer.lambda_1 * attended, layer.layernorm_after)
    return layer.lambda_2 * layer.mlp(normed) + x


def glmasr_block(layer: Any, x: Tensor, position_embeddings: Any = None, *, merge: Merge, **kwargs: Any) -> Tensor:
    """GLM-ASR: the layer of a language model, with rotary positions and no mask of what comes later."""
    normed = layer.input_layernorm(x)
    attended, _ = layer.self_attn(hidden_states=normed, position_embeddings=position_embeddings, **kwargs)
    x, normed = merge(x, attended, layer.post_attention_layernorm)
    return x + layer.mlp(normed)


DECODER = "attention_mask", "position_ids", "past_key_values", "use_cache", "position_embeddings"


def moonshine_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """Moonshine, PE audio, PE video: as GLM-ASR, with the arguments of a decoder."""
    named = dict(zip(DECODER, args, strict=False))
    attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(x), **named, **kwargs)
    x, normed = merge(x, attended, layer.post_attention_layernorm)
    return x + layer.mlp(normed)


def dots3_audio_block(layer: Any, x: Tensor, *args: Any, merge: Merge, **kwargs: Any) -> Tensor:
    """dots3.note: Moonshine with dropout."""
    named = dict(zip(DECODER, args, strict=False))
    attended, _ = layer.self_attn(hidden_states=layer.input_layernorm(x), **named, **kwargs)
    x, normed = merge(x, layer.resid_attn_dropout(attended), layer.post_attention_layernorm)
    return x + layer.resid_mlp_dropout(layer.mlp(normed))


def dinov3_block(
    layer: Any, x: Tensor, attention_mask: Any = None, position_embeddings: Any = None, *, merge: Merge, **kwargs: Any
) -> Tensor:
    """DINOv3: DINOv2 with rotary positions."""
    attended, _ = layer.attention(
        layer.norm1(x), attention_mask=attention_mask, position_embeddings=position_embeddings, **kwargs
    )
    x, normed = merge(x, layer.drop_path(layer.layer_scale1(attended)), layer.norm2)
    return layer.drop_path(layer.layer_scale2(layer.mlp(normed))) + x


def vjepa2_block(layer: Any, x: Tensor, position_mask: Any = None, *, merge: Merge, **kwargs: Any) -> Any:
    """V-JEPA 2."""
    attended, weights = layer.attention(layer.norm1(x), position_mask=position_mask)
    x, normed = merge(x, layer.drop_path(attended), layer.norm2)
    return layer.drop_path(layer.mlp(normed)) + x, weights
