"""Encoders of video."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import nested_block, timesformer_block, vjepa2_block, xclip_block
from hf_tome.families.clip import CLIP
from hf_tome.families.family import Family, Mask, OwnAttention, Refusal
from hf_tome.families.grids import frame_grid, packed_grid, timesformer_grid, tubelet_grid, video_grid
from hf_tome.families.inputs import frames_inputs, pe_video_inputs, video_inputs, videoprism_inputs, vjepa2_inputs
from hf_tome.families.sound import PE_AUDIO
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
    inputs=video_inputs,
)

VIVIT = replace(
    VIT,
    model_type="vivit",
    modality="video",
    towers=("VivitModel",),
    layer="VivitLayer",
    grid=tubelet_grid,
    inputs=video_inputs,
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
    inputs=vjepa2_inputs,
    widths=ratio_widths,
    whole=("VJEPA2Predictor",),
    positions="position_mask",
    approximation="rotary positions, in integers: a group is where its leader was",
)

TIMESFORMER = Family(
    model_type="timesformer",
    modality="video",
    towers=("TimesformerModel",),
    layers="encoder.layer",
    layer="TimesformerLayer",
    attention="attention.attention",
    block=timesformer_block,
    protected=1,
    prop_attn=True,
    grid=timesformer_grid,
    inputs=video_inputs,
    token_heads=("TimesformerForVideoClassification",),
    own_attention=OwnAttention("attn_drop", ("qkv",)),
    refusals=(Refusal("attention_type", "divided_space_time", "attention over time alone needs the full grid"),),
)

XCLIP = replace(
    CLIP,
    model_type="xclip",
    modality="video",
    towers=("XCLIPVisionModel",),
    layer="XCLIPVisionEncoderLayer",
    block=xclip_block,
    token_heads=(),
    messages=1,
    inputs=frames_inputs,
)

VIDEOPRISM = replace(
    VIT,
    model_type="videoprism",
    modality="video",
    towers=("VideoPrismVisionModel",),
    layers="spatial_layers",
    layer="VideoPrismLayer",
    protected=0,
    grid=frame_grid,
    inputs=videoprism_inputs,
    mask=None,
    token_heads=(),
    whole=("VideoPrismVisionModel",),
)

PE_VIDEO = replace(
    PE_AUDIO,
    model_type="pe_video_encoder",
    modality="video",
    towers=("PeVideoEncoder",),
    layer="PeVideoEncoderLayer",
    grid=packed_grid,  # each frame is a token, which an image classifier made
    inputs=pe_video_inputs,
    mask=Mask("padding_mask_videos", inside=True),
)

VIDEO_FAMILIES = (VIDEOMAE, VIVIT, VJEPA2, TIMESFORMER, XCLIP, VIDEOPRISM, PE_VIDEO)
