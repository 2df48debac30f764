"""Encoders of video."""

from __future__ import annotations

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
    table="embeddings.position_embeddings",
)

VIVIT = VIT.kin(
    "vivit",
    "VivitModel",
    "VivitLayer",
    modality="video",
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

XCLIP = CLIP.kin(
    "xclip",
    "XCLIPVisionModel",
    "XCLIPVisionEncoderLayer",
    modality="video",
    block=xclip_block,
    messages=1,
    inputs=frames_inputs,
)

VIDEOPRISM = VIT.kin(
    "videoprism",
    "VideoPrismVisionModel",
    "VideoPrismLayer",
    modality="video",
    layers="spatial_layers",
    protected=0,
    grid=frame_grid,
    inputs=videoprism_inputs,
    mask=None,
    whole=("VideoPrismVisionModel",),
    table="",
)

PE_VIDEO = PE_AUDIO.kin(
    "pe_video_encoder",
    "PeVideoEncoder",
    "PeVideoEncoderLayer",
    modality="video",
    grid=packed_grid,
    inputs=pe_video_inputs,
    mask=Mask("padding_mask_videos", inside=True),
)

VIDEO_FAMILIES = (VIDEOMAE, VIVIT, VJEPA2, TIMESFORMER, XCLIP, VIDEOPRISM, PE_VIDEO)
