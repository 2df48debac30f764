"""ViT and its kin: images, and spectrograms as images."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import (
    beit_block,
    flava_block,
    mgpstr_block,
    nested_block,
    pixio_block,
    vit_block,
    vitpose_block,
)
from hf_tome.families.family import Family, Mask, OwnAttention, Refusal
from hf_tome.families.grids import image_grid, spectrogram_grid
from hf_tome.families.inputs import image_inputs, spectrogram_inputs, vitpose_inputs
from hf_tome.families.widths import ratio_widths

VIT = Family(
    model_type="vit",
    modality="image",
    towers=("ViTModel",),
    layers="layers",
    layer="ViTLayer",
    attention="attention",
    block=vit_block,
    protected=1,
    prop_attn=True,
    grid=image_grid,
    inputs=image_inputs,
    mask=Mask(),
    token_heads=("ViTForImageClassification", "VisionEncoderDecoderModel"),
    table="embeddings.position_embeddings",
)

DEIT = replace(
    VIT,
    model_type="deit",
    towers=("DeiTModel",),
    layer="DeiTLayer",
    protected=2,
    token_heads=("DeiTForImageClassification", "DeiTForImageClassificationWithTeacher", "VisionEncoderDecoderModel"),
)

AST = replace(
    VIT,
    model_type="audio-spectrogram-transformer",
    modality="audio",
    towers=("ASTModel",),
    layer="ASTLayer",
    protected=2,
    grid=spectrogram_grid,
    inputs=spectrogram_inputs,
    token_heads=("ASTForAudioClassification",),
)

VIT_MAE = replace(
    VIT, model_type="vit_mae", towers=("ViTMAEModel",), layer="ViTMAELayer", prop_attn=False, token_heads=(), table=""
)

VIT_MSN = replace(
    VIT,
    model_type="vit_msn",
    towers=("ViTMSNModel",),
    layer="ViTMSNLayer",
    token_heads=("ViTMSNForImageClassification",),
)

IJEPA = replace(VIT, model_type="ijepa", towers=("IJepaModel",), layer="IJepaLayer", protected=0, token_heads=())

PIXIO = replace(
    VIT,
    model_type="pixio",
    towers=("PixioModel",),
    layer="PixioLayer",
    block=pixio_block,
    protected=0,
    counted=("n_cls_tokens",),
    widths=ratio_widths,
    prop_attn=False,
    token_heads=(),
)

RELATIVE = "its relative position bias is a table per pair of positions, which merged tokens no longer have"

BEIT = replace(
    VIT,
    model_type="beit",
    towers=("BeitModel",),
    layer="BeitLayer",
    block=beit_block,
    token_heads=(),
    whole=("BeitPooler",),
    refusals=(
        Refusal("use_relative_position_bias", True, RELATIVE),
        Refusal("use_shared_relative_position_bias", True, RELATIVE),
    ),
    table="",
)

DPT = Family(
    model_type="dpt",
    modality="image",
    towers=("DPTModel",),
    layers="encoder.layer",
    layer="DPTViTLayer",
    attention="attention.attention",
    block=nested_block,
    protected=1,
    prop_attn=True,
    grid=image_grid,
    inputs=image_inputs,
)

YOLOS = replace(
    DPT,
    model_type="yolos",
    towers=("YolosModel",),
    layer="YolosLayer",
    counted_at_end=("num_detection_tokens",),
    token_heads=("YolosForObjectDetection",),
    refusals=(
        Refusal(
            "use_mid_position_embeddings", True, "it adds to each token, between layers, what belongs to its place"
        ),
    ),
)

VITPOSE = replace(
    DPT,
    model_type="vitpose_backbone",
    towers=("VitPoseBackbone",),
    layer="VitPoseBackboneLayer",
    block=vitpose_block,
    protected=0,
    widths=ratio_widths,
    collector="encoder",
    whole=("VitPoseBackbone",),
    inputs=vitpose_inputs,
)

FLAVA = replace(
    DPT,
    model_type="flava_image_model",
    towers=("FlavaImageModel",),
    layer="FlavaLayer",
    block=flava_block,
    own_attention=OwnAttention("dropout", ("query", "key", "value")),
)

MGP_STR = replace(
    DPT,
    model_type="mgp-str",
    towers=("MgpstrModel",),
    layers="encoder.blocks",
    layer="MgpstrLayer",
    attention="attn",
    block=mgpstr_block,
    widths=ratio_widths,
    own_attention=OwnAttention("attn_drop", ("qkv",)),
)

VIT_FAMILIES = (VIT, DEIT, VIT_MAE, VIT_MSN, IJEPA, PIXIO, BEIT, DPT, YOLOS, VITPOSE, FLAVA, MGP_STR)
