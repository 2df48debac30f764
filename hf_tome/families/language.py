"""Vision towers made for language models."""

from __future__ import annotations

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

GIT = CLIP.kin("git", "GitVisionModel", "GitVisionEncoderLayer", layers="vision_model.encoder.layers")

KOSMOS_2 = CLIP.kin("kosmos-2", "Kosmos2VisionTransformer", "Kosmos2VisionEncoderLayer")

JANUS = CLIP.kin("janus", "JanusVisionModel", "JanusVisionEncoderLayer", widths=ratio_widths, protected=0)

IDEFICS2 = CLIP.kin(
    "idefics2",
    "Idefics2VisionTransformer",
    "Idefics2EncoderLayer",
    protected=0,
    mask=Mask("patch_attention_mask", stays=True, shape="batch, height, width"),
)

IDEFICS3 = IDEFICS2.kin("idefics3", "Idefics3VisionTransformer", "Idefics3EncoderLayer")

SMOLVLM = IDEFICS2.kin("smolvlm", "SmolVLMVisionTransformer", "SmolVLMEncoderLayer")

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

QIANFAN_OCR = INTERNVL.kin(
    "qianfan_ocr", "QianfanOCRVisionModel", "QianfanOCRVisionLayer", layers="layers", block=qianfan_block
)

IDEFICS = CLIP.kin("idefics", "IdeficsVisionTransformer", "IdeficsVisionEncoderLayer")

OVIS2 = AIMV2.kin(
    "ovis2",
    "Ovis2VisionModel",
    "Ovis2VisionEncoderLayer",
    layers="transformer.encoder.layers",
    whole=("Ovis2VisionModel",),
)

MOLMO2 = CLIP.kin(
    "molmo2",
    "Molmo2VisionModel",
    "Molmo2VisionEncoderLayer",
    layers="layers",
    protected=0,
    grid=patches_grid,
    inputs=molmo2_inputs,
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

KOSMOS_2_5 = PIX2STRUCT.kin(
    "kosmos-2.5",
    "Kosmos2_5VisionModel",
    "Kosmos2_5VisionLayer",
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

GEMMA_4 = MOLMO2.kin(
    "gemma4",
    "Gemma4VisionModel",
    "Gemma4VisionEncoderLayer",
    layers="encoder.layers",
    block=gemma4_block,
    inputs=gemma4_inputs,
    widths=gated_widths,
    mask=Mask(module="encoder"),
    whole=("Gemma4VisionModel",),
    positions="position_embeddings",
    approximation=DINOV3.approximation,
)

UNLIMITED_OCR = CLIP.kin(
    "unlimited_ocr_vision_encoder",
    "UnlimitedOcrVisionEncoder",
    "UnlimitedOcrEncoderLayer",
    grid=features_grid,
    inputs=features_inputs,
)

STEP_3_7 = CLIP.kin(
    "step3p7",
    "Step3p7VisionModel",
    "Step3p7VisionEncoderLayer",
    layers="layers",
    block=step3p7_block,
    protected=0,
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
