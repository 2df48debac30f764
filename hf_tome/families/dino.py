"""DINO and its kin."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import dinov2_block, dinov3_block
from hf_tome.families.family import Family, Mask
from hf_tome.families.grids import image_grid
from hf_tome.families.widths import named_widths, ratio_widths

DINOV2 = Family(
    model_type="dinov2",
    modality="image",
    towers=("Dinov2Model", "Dinov2Backbone"),
    layers="encoder.layer",
    layer="Dinov2Layer",
    attention="attention",
    block=dinov2_block,
    protected=1,
    prop_attn=True,
    grid=image_grid,
    widths=ratio_widths,
    mask=Mask(),
    collector="encoder",
    whole=("Dinov2Backbone",),
)

DINOV2_WITH_REGISTERS = replace(
    DINOV2,
    model_type="dinov2_with_registers",
    towers=("Dinov2WithRegistersModel", "Dinov2WithRegistersBackbone"),
    layer="Dinov2WithRegistersLayer",
    counted=("num_register_tokens",),
    whole=("Dinov2WithRegistersBackbone",),
)

TIPSV2 = replace(
    DINOV2_WITH_REGISTERS,
    model_type="tipsv2_vision_model",
    towers=("Tipsv2VisionModel", "Tipsv2VisionBackbone"),
    layer="Tipsv2VisionLayer",
    whole=("Tipsv2VisionBackbone",),
)

DINOV3 = replace(
    DINOV2_WITH_REGISTERS,
    model_type="dinov3_vit",
    towers=("DINOv3ViTModel", "DINOv3ViTBackbone"),
    layers="model.layer",
    layer="DINOv3ViTLayer",
    block=dinov3_block,
    widths=named_widths,
    mask=None,
    collector="model",
    whole=("DINOv3ViTBackbone",),
    positions="position_embeddings",
    approximation="rotary positions: a group is at the mean of its members' cosines and sines",
)

DINO_FAMILIES = (DINOV2, DINOV2_WITH_REGISTERS, TIPSV2, DINOV3)
