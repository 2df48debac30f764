"""Encoders of video."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import nested_block, vjepa2_block
from hf_tome.families.family import Family
from hf_tome.families.grids import tubelet_grid, video_grid
from hf_tome.families.vit import VIT
from hf_tome.families.widths import ratio_widths

VIDEOMAE = Family(
    model_type="videomae",
    modality="video",
    towers=("VideoMAEModel",),
    layers="encoder.layer",
    layer="VideoMAELayer",
    attention="attention.attention",
    block=nested_block,
    protected=0,
    prop_attn=False,
    grid=video_grid,
)

VIVIT = replace(
    VIT,
    model_type="vivit",
    modality="video",
    towers=("VivitModel",),
    layer="VivitLayer",
    grid=tubelet_grid,
    token_heads=("VivitForVideoClassification",),
)

VJEPA2 = Family(
    model_type="vjepa2",
    modality="video",
    towers=("VJEPA2Model",),
    layers="encoder.layer",
    layer="VJEPA2Layer",
    attention="attention",
    block=vjepa2_block,
    protected=0,
    prop_attn=True,
    grid=video_grid,
    widths=ratio_widths,
    whole=("VJEPA2Predictor",),
    positions="position_mask",
    approximation="rotary positions, in integers: a group is where its leader was",
)

VIDEO_FAMILIES = (VIDEOMAE, VIVIT, VJEPA2)
