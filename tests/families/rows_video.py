"""Video."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf
from by_hand import Shape
from row import (
    CORE,
    LAYERS,
    TEXT,
    Row,
    clip_shape,
    made,
    newer,
    vit_shape,
    words,
)
from torch import Tensor

FRAMES = tf.SwinConfig(
    image_size=16,
    patch_size=4,
    embed_dim=8,
    depths=[1],
    num_heads=[2],
    window_size=2,
    num_labels=12,
    drop_path_rate=0.0,
)
PE: dict[str, Any] = {name: CORE[name] for name in ("hidden_size", "num_attention_heads", "intermediate_size")}


def frames_mask() -> tuple[dict[str, Tensor], Tensor]:
    masks = torch.ones(2, 16, dtype=torch.int64), torch.ones(2, 17, dtype=torch.int64)
    masks[0][1, 11:], masks[1][1, 12:] = 0, 0
    return {"padding_mask_videos": masks[0]}, masks[1]


VIDEOs = (
    Row(
        "videomae",
        tf.VideoMAEModel,
        lambda: tf.VideoMAEConfig(**CORE, num_frames=4),
        lambda: {"pixel_values": made(2, 4, 3, 16, 16)},
        vit_shape("VideoMAEModel", 0, "encoder.layer"),
        restored=False,
    ),
    Row(
        "vivit",
        tf.VivitForVideoClassification,
        lambda: tf.VivitConfig(
            **{name: value for name, value in CORE.items() if name != "patch_size"},
            num_frames=2,
            tubelet_size=[2, 4, 4],
        ),
        lambda: {"pixel_values": made(2, 2, 3, 16, 16)},
        vit_shape("VivitModel"),
        restored=False,
    ),
    Row(
        "vjepa2",
        tf.VJEPA2ForVideoClassification,
        lambda: tf.VJEPA2Config(
            hidden_size=16,
            num_hidden_layers=LAYERS,
            num_attention_heads=2,
            mlp_ratio=2,
            crop_size=16,
            patch_size=4,
            frames_per_clip=4,
            tubelet_size=2,
            pred_hidden_size=16,
            pred_num_attention_heads=2,
            pred_num_hidden_layers=2,
            pred_num_mask_tokens=2,
            num_pooler_layers=1,
        ),
        lambda: {"pixel_values_videos": made(2, 4, 3, 16, 16)},
        Shape("VJEPA2Model", "encoder.layer", "attention", "norm2", 0, positions="position_mask"),
    ),
    Row(
        "timesformer",
        tf.TimesformerForVideoClassification,
        lambda: tf.TimesformerConfig(**CORE, num_frames=2, attention_type="joint_space_time"),
        lambda: {"pixel_values": made(2, 2, 3, 16, 16)},
        Shape("TimesformerModel", "encoder.layer", "attention", "layernorm_after", 1, own="attention.attention"),
        restored=False,
        implementations=("eager",),
    ),
    Row(
        "xclip",
        tf.XCLIPModel,
        lambda: tf.XCLIPConfig(
            text_config=TEXT,
            vision_config={
                **CORE,
                "num_frames": 2,
                "mit_hidden_size": 16,
                "mit_intermediate_size": 24,
                "mit_num_attention_heads": 2,
            },
            projection_dim=16,
            prompt_num_attention_heads=2,
        ),
        lambda: {"pixel_values": made(2, 2, 3, 16, 16), **words()},
        clip_shape("XCLIPVisionModel"),
    ),
    Row(
        "videoprism",
        newer("VideoPrismForVideoClassification"),
        lambda: tf.VideoPrismVisionConfig(
            **{name: CORE[name] for name in ("hidden_size", "num_attention_heads", "intermediate_size", "image_size")},
            num_frames=2,
            tubelet_size=[1, 4, 4],
            num_spatial_layers=LAYERS,
            num_temporal_layers=1,
            attn_logit_softcapping=2.0,
        ),
        lambda: {"pixel_values_videos": made(2, 2, 3, 16, 16)},
        vit_shape("VideoPrismVisionModel", 0, "spatial_layers"),
        implementations=("eager",),
    ),
    Row(
        "pe_video_encoder",
        newer("PeVideoEncoder"),
        lambda: tf.PeVideoEncoderConfig(**PE, num_hidden_layers=LAYERS, head_dim=8, vision_config=FRAMES),
        lambda: {"pixel_values_videos": made(2, 16, 3, 16, 16)},
        Shape("PeVideoEncoder", "layers", "self_attn", "post_attention_layernorm", 1, positions="position_embeddings"),
        frames_mask,
        restored=False,
    ),
)
