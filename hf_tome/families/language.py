"""Vision towers made for language models."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import (
    gemma4_block,
    internvl_block,
    kosmos_2_5_block,
    pix2struct_block,
    qianfan_block,
    step3p7_block,
)
from hf_tome.families.clip import AIMV2, CLIP
from hf_tome.families.dino import DINOV3
from hf_tome.families.family import Family, Mask, Refusal
from hf_tome.families.grids import features_grid, image_grid, patches_grid
from hf_tome.families.inputs import features_inputs, gemma4_inputs, image_inputs, molmo2_inputs, pix2struct_inputs
from hf_tome.families.widths import gated_widths, pix2struct_widths, ratio_widths

GIT = replace(
    CLIP,
    model_type="git",
    towers=("GitVisionModel",),
    layers="vision_model.encoder.layers",
    layer="GitVisionEncoderLayer",
    token_heads=(),
)

KOSMOS_2 = replace(
    CLIP,
    model_type="kosmos-2",
    towers=("Kosmos2VisionTransformer",),
    layer="Kosmos2VisionEncoderLayer",
    token_heads=(),
)

JANUS = replace(
    CLIP,
    model_type="janus",
    towers=("JanusVisionModel",),
    layer="JanusVisionEncoderLayer",
    widths=ratio_widths,
    protected=0,
    token_heads=(),
)

IDEFICS2 = replace(
    CLIP,
    model_type="idefics2",
    towers=("Idefics2VisionTransformer",),
    layer="Idefics2EncoderLayer",
    protected=0,
    mask=Mask("patch_attention_mask", stays=True, shape="batch, height, width"),
    token_heads=(),
)

IDEFICS3 = replace(IDEFICS2, model_type="idefics3", towers=("Idefics3VisionTransformer",), layer="Idefics3EncoderLayer")

SMOLVLM = replace(IDEFICS2, model_type="smolvlm", towers=("SmolVLMVisionTransformer",), layer="SmolVLMEncoderLayer")

INTERNVL = Family(
    model_type="internvl",
    modality="image",
    towers=("InternVLVisionModel",),
    layers="encoder.layer",
    layer="InternVLVisionLayer",
    attention="attention",
    block=internvl_block,
    protected=1,
    prop_attn=True,
    grid=image_grid,
    inputs=image_inputs,
)

QIANFAN_OCR = replace(
    INTERNVL,
    model_type="qianfan_ocr",
    towers=("QianfanOCRVisionModel",),
    layers="layers",
    layer="QianfanOCRVisionLayer",
    block=qianfan_block,
)

IDEFICS = replace(
    CLIP, model_type="idefics", towers=("IdeficsVisionTransformer",), layer="IdeficsVisionEncoderLayer", token_heads=()
)

OVIS2 = replace(
    AIMV2,
    model_type="ovis2",
    towers=("Ovis2VisionModel",),
    layers="transformer.encoder.layers",
    layer="Ovis2VisionEncoderLayer",
    whole=("Ovis2VisionModel",),
)

MOLMO2 = replace(
    CLIP,
    model_type="molmo2",
    towers=("Molmo2VisionModel",),
    layers="layers",
    layer="Molmo2VisionEncoderLayer",
    protected=0,
    grid=patches_grid,
    inputs=molmo2_inputs,
    token_heads=(),
    whole=("Molmo2VisionModel",),
)

PIX2STRUCT = Family(
    model_type="pix2struct",
    modality="image",
    towers=("Pix2StructVisionModel",),
    layers="encoder.layer",
    layer="Pix2StructVisionLayer",
    attention="attention",
    block=pix2struct_block,
    protected=0,
    prop_attn=True,
    grid=patches_grid,
    inputs=pix2struct_inputs,
    widths=pix2struct_widths,
    mask=Mask(inside=True),
    collector="encoder",
    since=(5, 17),
)

KOSMOS_2_5 = replace(
    PIX2STRUCT,
    model_type="kosmos-2.5",
    towers=("Kosmos2_5VisionModel",),
    layer="Kosmos2_5VisionLayer",
    block=kosmos_2_5_block,
    widths=gated_widths,
    mask=Mask(module="encoder", stays=True),
    refusals=(
        Refusal(
            "_attn_implementation",
            "sdpa",
            "it runs eager attention whatever this says, and merged would run the other",
            'Call model.set_attn_implementation("eager").',
        ),
    ),
)

GEMMA_4 = replace(
    MOLMO2,
    model_type="gemma4",
    towers=("Gemma4VisionModel",),
    layers="encoder.layers",
    layer="Gemma4VisionEncoderLayer",
    block=gemma4_block,
    inputs=gemma4_inputs,
    widths=gated_widths,
    mask=Mask(module="encoder"),
    whole=("Gemma4VisionModel",),
    positions="position_embeddings",
    approximation=DINOV3.approximation,
)

UNLIMITED_OCR = replace(
    CLIP,
    model_type="unlimited_ocr_vision_encoder",
    towers=("UnlimitedOcrVisionEncoder",),
    layer="UnlimitedOcrEncoderLayer",
    grid=features_grid,
    inputs=features_inputs,
    token_heads=(),
)

STEP_3_7 = replace(
    CLIP,
    model_type="step3p7",
    towers=("Step3p7VisionModel",),
    layers="layers",
    layer="Step3p7VisionEncoderLayer",
    block=step3p7_block,
    protected=0,
    token_heads=(),
    whole=("Step3p7VisionModel",),
    positions="position_embeddings",
    approximation=DINOV3.approximation,
)

LANGUAGE_FAMILIES = (
    GIT,
    KOSMOS_2,
    JANUS,
    IDEFICS,
    IDEFICS2,
    IDEFICS3,
    SMOLVLM,
    INTERNVL,
    QIANFAN_OCR,
    OVIS2,
    MOLMO2,
    PIX2STRUCT,
    KOSMOS_2_5,
    GEMMA_4,
    UNLIMITED_OCR,
    STEP_3_7,
)
