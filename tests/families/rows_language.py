"""Vision towers of language models."""

from __future__ import annotations

import torch
import transformers as tf
from by_hand import Shape
from row import (
    CORE,
    LAYERS,
    TEXT,
    Row,
    clip_shape,
    image,
    inside,
    made,
    newer,
    token_mask,
    vit_shape,
    words,
)
from torch import Tensor


def llava() -> tf.PretrainedConfig:
    return tf.LlavaConfig(
        vision_config=tf.CLIPVisionConfig(**CORE),
        text_config=tf.LlamaConfig(**{**TEXT, "max_position_embeddings": 64}),
        image_token_index=3,
        vision_feature_layer=-2,
    )


def grid_mask() -> tuple[dict[str, Tensor], Tensor]:
    mask = torch.ones(2, 4, 4, dtype=torch.bool)
    mask[1, 3:] = False
    return {"patch_attention_mask": mask}, mask.flatten(1).long()


def numbered_patches() -> dict[str, Tensor]:
    """As Pix2Struct takes them: each begins with its row and its column, from 1."""
    places = torch.cartesian_prod(torch.arange(1, 5), torch.arange(1, 5)).expand(2, -1, -1)
    return {"flattened_patches": torch.cat([places, made(2, 16, 12)], dim=-1)}


def placed_patches() -> dict[str, Tensor]:
    """As Gemma 4 takes them: each with its column and its row."""
    places = torch.cartesian_prod(torch.arange(4), torch.arange(4)).flip(-1)
    return {"pixel_values": made(2, 16, 48), "pixel_position_ids": places.expand(2, -1, -1)}


def placed_patches_mask() -> tuple[dict[str, Tensor], Tensor]:
    places, mask = placed_patches()["pixel_position_ids"].clone(), torch.ones(2, 16, dtype=torch.int64)
    places[1, 8:], mask[1, 8:] = -1, 0
    return {"pixel_position_ids": places}, mask


TOWERs = (
    Row(
        "clip",
        tf.LlavaForConditionalGeneration,
        llava,
        lambda: {**image(), "input_ids": torch.tensor([[0, *[3] * 16, 7], [0, *[3] * 16, 9]])},
        clip_shape("CLIPVisionModel"),
    ),
    Row(
        "git",
        tf.GitVisionModel,
        lambda: tf.GitVisionConfig(**CORE),
        image,
        Shape("GitVisionModel", "vision_model.encoder.layers", "self_attn", "layer_norm2", 1),
        restored=False,
        implementations=("eager",),
    ),
    Row(
        "kosmos-2",
        tf.models.kosmos2.modeling_kosmos2.Kosmos2VisionModel,
        lambda: tf.models.kosmos2.configuration_kosmos2.Kosmos2VisionConfig(**CORE),
        image,
        clip_shape("Kosmos2VisionTransformer"),
    ),
    Row(
        "janus",
        tf.JanusVisionModel,
        lambda: tf.JanusVisionConfig(**CORE, mlp_ratio=2),
        image,
        clip_shape("JanusVisionModel", 0),
        restored=False,
    ),
    Row(
        "idefics2",
        tf.models.idefics2.modeling_idefics2.Idefics2VisionTransformer,
        lambda: tf.models.idefics2.configuration_idefics2.Idefics2VisionConfig(**CORE),
        image,
        clip_shape("Idefics2VisionTransformer", 0),
        grid_mask,
        False,
    ),
    Row(
        "idefics3",
        tf.Idefics3VisionTransformer,
        lambda: tf.Idefics3VisionConfig(**CORE),
        image,
        clip_shape("Idefics3VisionTransformer", 0),
        grid_mask,
        False,
    ),
    Row(
        "smolvlm",
        tf.SmolVLMVisionTransformer,
        lambda: tf.SmolVLMVisionConfig(**CORE),
        image,
        clip_shape("SmolVLMVisionTransformer", 0),
        grid_mask,
        False,
    ),
    Row(
        "internvl",
        tf.InternVLVisionModel,
        lambda: tf.InternVLVisionConfig(**{**CORE, "image_size": [16, 16], "patch_size": [4, 4]}),
        image,
        vit_shape("InternVLVisionModel", layers="encoder.layer"),
        restored=False,
    ),
    Row(
        "qianfan_ocr",
        newer("QianfanOCRVisionModel"),
        lambda: tf.QianfanOCRVisionConfig(**{**CORE, "image_size": (16, 16), "patch_size": (4, 4)}, use_qk_norm=True),
        image,
        vit_shape("QianfanOCRVisionModel"),
        restored=False,
    ),
    Row(
        "idefics",
        tf.IdeficsModel,
        lambda: tf.IdeficsConfig(
            **{**TEXT, "num_hidden_layers": 1},
            additional_vocab_size=0,
            vision_config={**{k: v for k, v in CORE.items() if k != "hidden_size"}, "embed_dim": 16},
        ),
        lambda: {
            "pixel_values": made(2, 1, 3, 16, 16),
            **words(),
            "image_attention_mask": torch.ones(2, 5, 1, dtype=torch.int64),
        },
        clip_shape("IdeficsVisionTransformer"),
    ),
    Row(
        "ovis2",
        tf.models.ovis2.modeling_ovis2.Ovis2VisionModel,
        lambda: tf.models.ovis2.configuration_ovis2.Ovis2VisionConfig(**CORE, vocab_size=12, hidden_stride=2),
        image,
        Shape("Ovis2VisionModel", "transformer.encoder.layers", "attention", "rms_norm2", 0),
    ),
    Row(
        "molmo2",
        newer("Molmo2VisionModel"),
        lambda: tf.Molmo2VisionConfig(
            **{**CORE, "image_size": [16, 16]}, num_key_value_heads=1, head_dim=8, num_position_embeddings=16
        ),
        lambda: {"pixel_values": made(2, 16, 48)},
        Shape("Molmo2VisionModel", "layers", "self_attn", "layer_norm2", 0),
    ),
    Row(
        "pix2struct",
        tf.Pix2StructVisionModel,
        lambda: tf.Pix2StructVisionConfig(
            hidden_size=16,
            patch_embed_hidden_size=12,
            d_ff=24,
            d_kv=8,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            seq_len=8,
            initializer_range=0.02,
        ),
        numbered_patches,
        Shape("Pix2StructVisionModel", "encoder.layer", "attention", "pre_mlp_layer_norm", 0),
        token_mask(16, 5),
        restored=False,
    ),
    Row(
        "kosmos-2.5",
        tf.models.kosmos2_5.modeling_kosmos2_5.Kosmos2_5VisionModel,
        lambda: tf.models.kosmos2_5.configuration_kosmos2_5.Kosmos2_5VisionConfig(
            **CORE, patch_embed_hidden_size=12, head_dim=8, max_num_patches=64
        ),
        numbered_patches,
        Shape("Kosmos2_5VisionModel", "encoder.layer", "attention", "pre_mlp_layer_norm", 0),
        token_mask(16, 5),
        restored=False,
        implementations=("eager",),
    ),
    Row(
        "gemma4",
        newer("Gemma4VisionModel"),
        lambda: tf.Gemma4VisionConfig(**CORE, num_key_value_heads=1, head_dim=8, pooling_kernel_size=2),
        placed_patches,
        Shape(
            "Gemma4VisionModel",
            "encoder.layers",
            "self_attn",
            "pre_feedforward_layernorm",
            0,
            positions="position_embeddings",
        ),
        placed_patches_mask,
    ),
    Row(
        "unlimited_ocr_vision_encoder",
        inside("unlimited_ocr", "UnlimitedOcrVisionEncoder"),
        lambda: tf.UnlimitedOcrVisionEncoderConfig(**CORE),
        lambda: {"patch_embeds": made(2, 16, 4, 4)},
        clip_shape("UnlimitedOcrVisionEncoder"),
        restored=False,
    ),
    Row(
        "step3p7",
        newer("Step3p7VisionModel"),
        lambda: tf.Step3p7VisionConfig(**CORE, mlp_ratio=2.0),
        image,
        Shape("Step3p7VisionModel", "layers", "self_attn", "layernorm_after", 0, positions="position_embeddings"),
    ),
)
