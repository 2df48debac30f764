"""Images: ViT and its kin, DINO and its kin."""

from __future__ import annotations

import torch
import transformers as tf
from by_hand import Shape
from row import (
    CORE,
    STAGES,
    Row,
    image,
    made,
    newer,
    token_mask,
    vit_shape,
)

ViTs = (
    Row("vit", tf.ViTModel, lambda: tf.ViTConfig(**CORE), image, vit_shape("ViTModel"), token_mask(17, 5), False),
    Row(
        "deit", tf.DeiTModel, lambda: tf.DeiTConfig(**CORE), image, vit_shape("DeiTModel", 2), token_mask(18, 5), False
    ),
    Row(
        "vit_mae",
        tf.ViTMAEForPreTraining,
        lambda: tf.ViTMAEConfig(
            **CORE,
            decoder_hidden_size=16,
            decoder_num_hidden_layers=2,
            decoder_num_attention_heads=2,
            decoder_intermediate_size=24,
            mask_ratio=0.25,
        ),
        lambda: {**image(), "noise": made(2, 16, seed=2)},
        vit_shape("ViTMAEModel"),
        token_mask(13, 4),
    ),
    Row(
        "vit_msn",
        tf.ViTMSNForImageClassification,
        lambda: tf.ViTMSNConfig(**CORE),
        image,
        vit_shape("ViTMSNModel"),
        restored=False,
    ),
    Row("ijepa", tf.IJepaForImageClassification, lambda: tf.IJepaConfig(**CORE), image, vit_shape("IJepaModel", 0)),
    Row(
        "pixio",
        tf.PixioBackbone,
        lambda: tf.PixioConfig(**CORE, mlp_ratio=2, n_cls_tokens=3, **STAGES),
        image,
        vit_shape("PixioModel", 3),
        token_mask(19, 4),
    ),
    Row("beit", tf.BeitForImageClassification, lambda: tf.BeitConfig(**CORE), image, vit_shape("BeitModel")),
    Row(
        "dpt",
        tf.DPTForDepthEstimation,
        lambda: tf.DPTConfig(
            **CORE,
            backbone_out_indices=[0, 1, 2],
            neck_hidden_sizes=[8, 8, 8],
            reassemble_factors=[2, 1, 0.5],
            fusion_hidden_size=8,
            is_hybrid=False,
        ),
        image,
        vit_shape("DPTModel", layers="encoder.layer"),
    ),
    Row(
        "yolos",
        tf.YolosForObjectDetection,
        lambda: tf.YolosConfig(
            **{**CORE, "image_size": [16, 16]}, num_detection_tokens=4, use_mid_position_embeddings=False
        ),
        image,
        Shape("YolosModel", "encoder.layer", "attention", "layernorm_after", 1, 4),
        restored=False,
    ),
    Row(
        "vitpose_backbone",
        tf.VitPoseBackbone,
        lambda: tf.VitPoseBackboneConfig(
            **{**CORE, "image_size": [32, 32], "patch_size": [8, 8]}, num_experts=2, part_features=4, mlp_ratio=2
        ),
        lambda: {"pixel_values": made(2, 3, 32, 32), "dataset_index": torch.tensor([0, 1])},
        vit_shape("VitPoseBackbone", 0, "encoder.layer"),
    ),
    Row(
        "flava_image_model",
        tf.FlavaImageModel,
        lambda: tf.FlavaImageConfig(**CORE),
        image,
        Shape("FlavaImageModel", "encoder.layer", "attention", "layernorm_after", 1, own="attention.attention"),
        restored=False,
        implementations=("eager",),
    ),
    Row(
        "mgp-str",
        tf.MgpstrForSceneTextRecognition,
        lambda: tf.MgpstrConfig(
            **{**CORE, "image_size": (16, 16)},
            mlp_ratio=2,
            num_bpe_labels=9,
            num_wordpiece_labels=9,
            max_token_length=5,
        ),
        image,
        Shape("MgpstrModel", "encoder.blocks", "attn", "norm2", 1, own="attn"),
        implementations=("eager",),
    ),
)

DINOs = (
    Row(
        "dinov2",
        tf.Dinov2ForImageClassification,
        lambda: tf.Dinov2Config(**CORE),
        image,
        Shape("Dinov2Model", "encoder.layer", "attention", "norm2", 1),
        token_mask(17, 5),
    ),
    Row(
        "dinov2_with_registers",
        tf.Dinov2WithRegistersBackbone,
        lambda: tf.Dinov2WithRegistersConfig(**CORE, num_register_tokens=2, **STAGES),
        image,
        Shape("Dinov2WithRegistersBackbone", "encoder.layer", "attention", "norm2", 3),
        token_mask(19, 5),
    ),
    Row(
        "tipsv2_vision_model",
        newer("Tipsv2VisionModel"),
        lambda: tf.Tipsv2VisionConfig(**CORE, mlp_ratio=2, num_register_tokens=1),
        image,
        Shape("Tipsv2VisionModel", "encoder.layer", "attention", "norm2", 2),
        token_mask(18, 5),
        restored=False,
    ),
    Row(
        "dinov3_vit",
        tf.DINOv3ViTModel,
        lambda: tf.DINOv3ViTConfig(**CORE, num_register_tokens=2),
        image,
        Shape("DINOv3ViTModel", "model.layer", "attention", "norm2", 3, positions="position_embeddings"),
        restored=False,
    ),
    Row(
        "dinov3_vit",
        tf.DINOv3ViTBackbone,
        lambda: tf.DINOv3ViTConfig(**CORE, num_register_tokens=2, **STAGES),
        image,
        Shape("DINOv3ViTBackbone", "model.layer", "attention", "norm2", 3, positions="position_embeddings"),
    ),
    Row(
        "radio",
        newer("RadioModel"),
        lambda: tf.RadioConfig(**CORE, mlp_ratio=2.0, num_cls_tokens=2, num_registers=2, max_img_size=32),
        image,
        Shape("RadioModel", "encoder.layer", "attention", "norm2", 4),
        restored=False,
    ),
    Row(
        "sapiens2",
        newer("Sapiens2Model"),
        lambda: tf.Sapiens2Config(
            **{**CORE, "num_attention_heads": 4},
            num_register_tokens=2,
            num_key_value_attention_heads=2,
            num_first_full_attention_layers=1,
            num_last_full_attention_layers=1,
        ),
        image,
        Shape("Sapiens2Model", "model.layer", "attention", "norm2", 3, positions="position_embeddings"),
        restored=False,
    ),
)
