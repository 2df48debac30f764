"""Vision towers made for language models."""

from __future__ import annotations

from dataclasses import replace

from hf_tome.families.blocks import internvl_block
from hf_tome.families.clip import CLIP
from hf_tome.families.family import Family, Mask
from hf_tome.families.grids import image_grid
from hf_tome.families.widths import ratio_widths

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
)

LANGUAGE_FAMILIES = (GIT, KOSMOS_2, JANUS, IDEFICS2, IDEFICS3, SMOLVLM, INTERNVL)
