"""DINO and its kin."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import dinov2_block
from hf_tome.families.family import Family, Mask
from hf_tome.families.grids import image_grid
from hf_tome.families.widths import ratio_widths

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

DINO_FAMILIES = (DINOV2, DINOV2_WITH_REGISTERS)
