"""Images with text."""

from __future__ import annotations

from dataclasses import replace

import torch
import transformers as tf
from by_hand import Shape
from row import (
    CORE,
    TEXT,
    Row,
    clip_shape,
    image,
    image_and_words,
    made,
    two,
    words,
)
from torch import Tensor


def flat_patches() -> dict[str, Tensor]:
    """As SigLIP 2 takes them: patches in a row, of which the last are padding."""
    return {
        "pixel_values": made(2, 16, 48),
        "pixel_attention_mask": torch.ones(2, 16, dtype=torch.int64),
        "spatial_shapes": torch.tensor([[4, 4], [4, 4]]),
    }


def flat_patches_mask() -> tuple[dict[str, Tensor], Tensor]:
    mask = torch.ones(2, 16, dtype=torch.int64)
    mask[1, 12:] = 0
    return {"pixel_attention_mask": mask, "spatial_shapes": torch.tensor([[4, 4], [3, 4]])}, mask


def owl() -> dict[str, Tensor]:
    return {**image(), "input_ids": torch.tensor([[6, 5, 9, 7, 2], [3, 4, 4, 2, 2]])}


CLIPs = (
    Row("clip", tf.CLIPModel, two(tf.CLIPConfig), image_and_words, clip_shape("CLIPVisionModel"), restored=False),
    Row(
        "metaclip_2",
        tf.MetaClip2Model,
        two(tf.MetaClip2Config),
        image_and_words,
        clip_shape("MetaClip2VisionModel"),
        restored=False,
    ),
    Row(
        "chinese_clip",
        tf.ChineseCLIPModel,
        two(tf.ChineseCLIPConfig),
        image_and_words,
        clip_shape("ChineseCLIPVisionModel"),
        restored=False,
    ),
    Row(
        "altclip",
        tf.AltCLIPModel,
        two(tf.AltCLIPConfig, project_dim=16),
        image_and_words,
        clip_shape("AltCLIPVisionModel"),
        restored=False,
    ),
    Row(
        "clipseg",
        tf.CLIPSegForImageSegmentation,
        lambda: tf.CLIPSegConfig(
            text_config=TEXT,
            vision_config=CORE,
            projection_dim=16,
            extract_layers=[0, 2],
            reduce_dim=8,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=16,
        ),
        image_and_words,
        clip_shape("CLIPSegVisionModel"),
    ),
    Row("owlvit", tf.OwlViTForObjectDetection, two(tf.OwlViTConfig), owl, clip_shape("OwlViTVisionTransformer")),
    Row("owlv2", tf.Owlv2ForObjectDetection, two(tf.Owlv2Config), owl, clip_shape("Owlv2VisionTransformer")),
    Row("siglip", tf.SiglipModel, two(tf.SiglipConfig), image_and_words, clip_shape("SiglipVisionModel", 0)),
    Row(
        "siglip2",
        tf.Siglip2Model,
        two(tf.Siglip2Config, {"num_patches": 16}),
        lambda: {**flat_patches(), **words()},
        clip_shape("Siglip2VisionModel", 0),
        flat_patches_mask,
    ),
    Row(
        "aimv2",
        tf.Aimv2VisionModel,
        lambda: tf.Aimv2VisionConfig(**CORE),
        image,
        Shape("Aimv2VisionModel", "encoder.layers", "attention", "rms_norm2", 0),
    ),
    Row(
        "blip",
        tf.BlipForImageTextRetrieval,
        lambda: tf.BlipConfig(
            text_config={**TEXT, "encoder_hidden_size": 16},
            vision_config=CORE,
            projection_dim=16,
            image_text_hidden_size=8,
        ),
        image_and_words,
        replace(clip_shape("BlipVisionModel"), own="self_attn"),
        implementations=("eager",),
    ),
    Row(
        "blip-2",
        tf.Blip2VisionModel,
        lambda: tf.Blip2VisionConfig(**CORE),
        image,
        clip_shape("Blip2VisionModel"),
        restored=False,
    ),
    Row(
        "instructblip",
        tf.InstructBlipVisionModel,
        lambda: tf.InstructBlipVisionConfig(**CORE),
        image,
        clip_shape("InstructBlipVisionModel"),
        restored=False,
    ),
    Row(
        "instructblipvideo",
        tf.InstructBlipVideoVisionModel,
        lambda: tf.InstructBlipVideoVisionConfig(**CORE),
        image,
        clip_shape("InstructBlipVideoVisionModel"),
        restored=False,
    ),
)
