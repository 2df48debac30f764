"""CLIP, SigLIP and what comes from them: the vision towers of models for images and text."""

from __future__ import annotations

from hf_tome.families.blocks import aimv2_block, clip_block
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

METACLIP_2 = CLIP.kin(
    "metaclip_2",
    "MetaClip2VisionModel",
    "MetaClip2EncoderLayer",
    token_heads=("MetaClip2Model", "MetaClip2VisionModelWithProjection"),
)

CHINESE_CLIP = CLIP.kin(
    "chinese_clip", "ChineseCLIPVisionModel", "ChineseCLIPVisionLayer", token_heads=("ChineseCLIPModel",)
)

ALTCLIP = CLIP.kin("altclip", "AltCLIPVisionModel", "AltCLIPEncoderLayer", token_heads=("AltCLIPModel",))

CLIPSEG = CLIP.kin("clipseg", "CLIPSegVisionModel", "CLIPSegEncoderLayer", token_heads=("CLIPSegModel",))

OWLVIT = CLIP.kin("owlvit", "OwlViTVisionTransformer", "OwlViTEncoderLayer")

OWLV2 = CLIP.kin("owlv2", "Owlv2VisionTransformer", "Owlv2EncoderLayer")

SIGLIP = CLIP.kin(
    "siglip", "SiglipVisionModel", "SiglipEncoderLayer", protected=0, whole=("SiglipMultiheadAttentionPoolingHead",)
)

SIGLIP2 = SIGLIP.kin(
    "siglip2",
    "Siglip2VisionModel",
    "Siglip2EncoderLayer",
    grid=patches_grid,
    inputs=patches_inputs,
    mask=Mask("pixel_attention_mask", stays=True),
    whole=("Siglip2MultiheadAttentionPoolingHead",),
)

AIMV2 = SIGLIP.kin(
    "aimv2",
    "Aimv2VisionModel",
    "Aimv2EncoderLayer",
    attention="attention",
    block=aimv2_block,
    widths=gated_widths,
    whole=("Aimv2AttentionPoolingHead",),
)

BLIP_2 = CLIP.kin("blip-2", "Blip2VisionModel", "Blip2EncoderLayer")

BLIP = BLIP_2.kin("blip", "BlipVisionModel", "BlipEncoderLayer", own_attention=OwnAttention("dropout", ("qkv",)))

INSTRUCTBLIP = BLIP_2.kin("instructblip", "InstructBlipVisionModel", "InstructBlipEncoderLayer")

INSTRUCTBLIPVIDEO = BLIP_2.kin(
    "instructblipvideo", "InstructBlipVideoVisionModel", "InstructBlipVideoEncoderLayer", modality="video"
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
