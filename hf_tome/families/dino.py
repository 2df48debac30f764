"""DINO and its kin."""

from __future__ import annotations

from hf_tome.families.blocks import dino_block
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
    block=dino_block,
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

DINOV2_WITH_REGISTERS = DINOV2.kin(
    "dinov2_with_registers",
    "Dinov2WithRegistersModel Dinov2WithRegistersBackbone",
    "Dinov2WithRegistersLayer",
    counted=("num_register_tokens",),
    whole=("Dinov2WithRegistersBackbone",),
)

TIPSV2 = DINOV2_WITH_REGISTERS.kin(
    "tipsv2_vision_model",
    "Tipsv2VisionModel Tipsv2VisionBackbone",
    "Tipsv2VisionLayer",
    whole=("Tipsv2VisionBackbone",),
)

DINOV3 = DINOV2_WITH_REGISTERS.kin(
    "dinov3_vit",
    "DINOv3ViTModel DINOv3ViTBackbone",
    "DINOv3ViTLayer",
    layers="model.layer",
    widths=gated_widths,
    mask=None,
    collector="model",
    whole=("DINOv3ViTBackbone",),
    positions="position_embeddings",
    since=(5, 10),
    approximation="rotary positions: a group is at the mean of its members' cosines and sines",
)

RADIO = DINOV2.kin(
    "radio", "RadioModel", "RadioLayer", protected=0, counted=("num_summary_tokens",), mask=None, packed="image_grid_hw"
)

SAPIENS2 = DINOV3.kin("sapiens2", "Sapiens2Model Sapiens2Backbone", "Sapiens2Layer", whole=("Sapiens2Backbone",))

DINO_FAMILIES = (DINOV2, DINOV2_WITH_REGISTERS, TIPSV2, DINOV3, RADIO, SAPIENS2)
