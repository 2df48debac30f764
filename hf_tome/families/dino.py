"""DINO and its kin."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import dinov2_block, dinov3_block
from hf_tome.families.family import Family, Mask
from hf_tome.families.grids import image_grid
from hf_tome.families.inputs import image_inputs
from hf_tome.families.widths import gated_widths, ratio_widths

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
    inputs=image_inputs,
    widths=ratio_widths,
    mask=Mask(),
    collector="encoder",
    whole=("Dinov2Backbone",),
    since=(5, 19),
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
    widths=gated_widths,
    mask=None,
    collector="model",
    whole=("DINOv3ViTBackbone",),
    positions="position_embeddings",
    since=(5, 10),
)

RADIO = replace(
    DINOV2,
    model_type="radio",
    towers=("RadioModel",),
    layer="RadioLayer",
    protected=0,
    counted=("num_summary_tokens",),
    mask=None,
    whole=(),
    packed="image_grid_hw",
)

SAPIENS2 = replace(
    DINOV3,
    model_type="sapiens2",
    towers=("Sapiens2Model", "Sapiens2Backbone"),
    layer="Sapiens2Layer",
    whole=("Sapiens2Backbone",),
)

DINO_FAMILIES = (DINOV2, DINOV2_WITH_REGISTERS, TIPSV2, DINOV3, RADIO, SAPIENS2)
