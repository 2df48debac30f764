"""ViT and its kin: images, and spectrograms as images."""

from __future__ import annotations

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

DEIT = VIT.kin(
    "deit",
    "DeiTModel",
    "DeiTLayer",
    protected=2,
    token_heads=("DeiTForImageClassification", "DeiTForImageClassificationWithTeacher", "VisionEncoderDecoderModel"),
)

AST = VIT.kin(
    "audio-spectrogram-transformer",
    "ASTModel",
    "ASTLayer",
    modality="audio",
    protected=2,
    grid=spectrogram_grid,
    inputs=spectrogram_inputs,
    token_heads=("ASTForAudioClassification",),
)

VIT_MAE = VIT.kin("vit_mae", "ViTMAEModel", "ViTMAELayer", prop_attn=False, table="")

VIT_MSN = VIT.kin("vit_msn", "ViTMSNModel", "ViTMSNLayer", token_heads=("ViTMSNForImageClassification",))

IJEPA = VIT.kin("ijepa", "IJepaModel", "IJepaLayer", protected=0)

PIXIO = VIT.kin(
    "pixio",
    "PixioModel",
    "PixioLayer",
    block=pixio_block,
    protected=0,
    counted=("n_cls_tokens",),
    widths=ratio_widths,
    prop_attn=False,
)

RELATIVE = "its relative position bias is a table per pair of positions, which merged tokens no longer have"

BEIT = VIT.kin(
    "beit",
    "BeitModel",
    "BeitLayer",
    block=beit_block,
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

YOLOS = DPT.kin(
    "yolos",
    "YolosModel",
    "YolosLayer",
    counted_at_end=("num_detection_tokens",),
    token_heads=("YolosForObjectDetection",),
    refusals=(
        Refusal(
            "use_mid_position_embeddings", True, "it adds to each token, between layers, what belongs to its place"
        ),
    ),
)

VITPOSE = DPT.kin(
    "vitpose_backbone",
    "VitPoseBackbone",
    "VitPoseBackboneLayer",
    block=vitpose_block,
    protected=0,
    widths=ratio_widths,
    collector="encoder",
    whole=("VitPoseBackbone",),
    inputs=vitpose_inputs,
)

FLAVA = DPT.kin(
    "flava_image_model",
    "FlavaImageModel",
    "FlavaLayer",
    block=flava_block,
    own_attention=OwnAttention("dropout", ("query", "key", "value")),
)

MGP_STR = DPT.kin(
    "mgp-str",
    "MgpstrModel",
    "MgpstrLayer",
    layers="encoder.blocks",
    attention="attn",
    block=mgpstr_block,
    widths=ratio_widths,
    own_attention=OwnAttention("attn_drop", ("qkv",)),
)

VIT_FAMILIES = (VIT, DEIT, VIT_MAE, VIT_MSN, IJEPA, PIXIO, BEIT, DPT, YOLOS, VITPOSE, FLAVA, MGP_STR)
