"""CLIP, SigLIP and what comes from them: the vision towers of models for images and text."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import aimv2_block, blip_block, clip_block
from hf_tome.families.family import Family, Mask, OwnAttention
from hf_tome.families.grids import image_grid, patches_grid
from hf_tome.families.inputs import image_inputs, patches_inputs
from hf_tome.families.widths import gated_widths

CLIP = Family(
    model_type="clip",
    modality="image",
    towers=("CLIPVisionModel",),
    layers="encoder.layers",
    layer="CLIPEncoderLayer",
    attention="self_attn",
    block=clip_block,
    protected=1,
    prop_attn=True,
    grid=image_grid,
    inputs=image_inputs,
    token_heads=("CLIPModel", "CLIPVisionModelWithProjection"),
)

METACLIP_2 = replace(
    CLIP,
    model_type="metaclip_2",
    towers=("MetaClip2VisionModel",),
    layer="MetaClip2EncoderLayer",
    token_heads=("MetaClip2Model", "MetaClip2VisionModelWithProjection"),
)

CHINESE_CLIP = replace(
    CLIP,
    model_type="chinese_clip",
    towers=("ChineseCLIPVisionModel",),
    layer="ChineseCLIPVisionLayer",
    token_heads=("ChineseCLIPModel",),
)

ALTCLIP = replace(
    CLIP,
    model_type="altclip",
    towers=("AltCLIPVisionModel",),
    layer="AltCLIPEncoderLayer",
    token_heads=("AltCLIPModel",),
)

CLIPSEG = replace(
    CLIP,
    model_type="clipseg",
    towers=("CLIPSegVisionModel",),
    layer="CLIPSegEncoderLayer",
    token_heads=("CLIPSegModel",),
)

OWLVIT = replace(
    CLIP, model_type="owlvit", towers=("OwlViTVisionTransformer",), layer="OwlViTEncoderLayer", token_heads=()
)

OWLV2 = replace(CLIP, model_type="owlv2", towers=("Owlv2VisionTransformer",), layer="Owlv2EncoderLayer", token_heads=())

SIGLIP = replace(
    CLIP,
    model_type="siglip",
    towers=("SiglipVisionModel",),
    layer="SiglipEncoderLayer",
    protected=0,
    token_heads=(),
    whole=("SiglipMultiheadAttentionPoolingHead",),
)

SIGLIP2 = replace(
    SIGLIP,
    model_type="siglip2",
    towers=("Siglip2VisionModel",),
    layer="Siglip2EncoderLayer",
    grid=patches_grid,
    inputs=patches_inputs,
    mask=Mask("pixel_attention_mask", stays=True),
    whole=("Siglip2MultiheadAttentionPoolingHead",),
)

AIMV2 = replace(
    SIGLIP,
    model_type="aimv2",
    towers=("Aimv2VisionModel",),
    layer="Aimv2EncoderLayer",
    attention="attention",
    block=aimv2_block,
    widths=gated_widths,
    whole=("Aimv2AttentionPoolingHead",),
)

BLIP_2 = replace(
    CLIP,
    model_type="blip-2",
    towers=("Blip2VisionModel",),
    layer="Blip2EncoderLayer",
    block=blip_block,
    token_heads=(),
)

BLIP = replace(
    BLIP_2,
    model_type="blip",
    towers=("BlipVisionModel",),
    layer="BlipEncoderLayer",
    own_attention=OwnAttention("dropout", ("qkv",)),
)

INSTRUCTBLIP = replace(
    BLIP_2, model_type="instructblip", towers=("InstructBlipVisionModel",), layer="InstructBlipEncoderLayer"
)

INSTRUCTBLIPVIDEO = replace(
    BLIP_2,
    model_type="instructblipvideo",
    modality="video",
    towers=("InstructBlipVideoVisionModel",),
    layer="InstructBlipVideoEncoderLayer",
)

CLIP_FAMILIES = (
    CLIP,
    METACLIP_2,
    CHINESE_CLIP,
    ALTCLIP,
    CLIPSEG,
    OWLVIT,
    OWLV2,
    SIGLIP,
    SIGLIP2,
    AIMV2,
    BLIP,
    BLIP_2,
    INSTRUCTBLIP,
    INSTRUCTBLIPVIDEO,
)
