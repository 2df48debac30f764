"""Vision towers of language models that pack images of several sizes in one sequence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hf_tome.families.blocks import clip_block
from hf_tome.families.dino import DINOV3
from hf_tome.families.family import Family
from hf_tome.families.grids import images_grid, packed_grid, patches_grid
from hf_tome.families.inputs import (
    image_inputs,
    kimi_inputs,
    packed_inputs,
    paddleocr_inputs,
    rows_inputs,
    video_llama3_inputs,
)
from hf_tome.families.packed_blocks import (
    cosmos3_block,
    minimax_m3_block,
    packed_block,
    packed_clip_block,
    pixtral_block,
)
from hf_tome.families.widths import gated_widths, glm4v_widths, named_widths, qwen2_vl_widths

QWEN2_VL = Family(
    model_type="qwen2_vl_vision",
    modality="image",
    towers=("Qwen2VisionTransformerPretrainedModel",),
    layers="blocks",
    layer="Qwen2VLVisionBlock",
    attention="attn",
    block=packed_block,
    protected=0,
    prop_attn=True,
    grid=patches_grid,
    inputs=packed_inputs,
    widths=qwen2_vl_widths,
    whole=("Qwen2VisionTransformerPretrainedModel",),  # neighbours become one token behind the layers
    positions="position_embeddings",
    boundaries="cu_seqlens",
    since=(5, 23),
    approximation=DINOV3.approximation,
)


def _kin(family: Family, model_type: str, tower: str, layer: str, **facts: Any) -> Family:
    return replace(family, model_type=model_type, towers=(tower,), layer=layer, whole=(tower,), **facts)


QWEN3_VL = _kin(
    QWEN2_VL,
    "qwen3_vl_vision",
    "Qwen3VLVisionModel",
    "Qwen3VLVisionBlock",
    widths=named_widths,
    taps="deepstack_merger_list",
)
QWEN3_5 = _kin(QWEN3_VL, "qwen3_5_vision", "Qwen3_5VisionModel", "Qwen3_5VisionBlock", taps="")
GLM4V = _kin(QWEN2_VL, "glm4v_vision", "Glm4vVisionModel", "Glm4vVisionBlock", widths=glm4v_widths)
GLM_OCR = _kin(GLM4V, "glm_ocr_vision", "GlmOcrVisionModel", "GlmOcrVisionBlock", widths=gated_widths)
KIMI_K25 = _kin(
    QWEN3_5,
    "kimi_k25_vision",
    "Kimi_K25VisionModel",
    "Kimi_K25VisionEncoderLayer",
    layers="layers",
    grid=packed_grid,
    inputs=kimi_inputs,
)
VIDEO_LLAMA_3 = _kin(
    KIMI_K25,
    "video_llama_3_vision",
    "VideoLlama3VisionModel",
    "VideoLlama3VisionEncoderLayer",
    layers="encoder.layers",
    attention="self_attn",
    block=packed_clip_block,
    inputs=video_llama3_inputs,
)

DOTS3_NOTE = _kin(
    QWEN2_VL,
    "dots3_note_vision_encoder",
    "Dots3NoteVisionModel",
    "Dots3NoteVisionBlock",
    inputs=rows_inputs,
    widths=gated_widths,
)
# Places are in the embeddings alone, so that nothing has to follow the tokens.
GLM_IMAGE = _kin(
    QWEN2_VL,
    "glm_image_vision",
    "GlmImageVisionModel",
    "GlmImageVisionBlock",
    inputs=rows_inputs,
    widths=named_widths,
    positions="",
    approximation="",
)
COSMOS_3_EDGE = _kin(
    GLM_IMAGE,
    "cosmos3_edge_vision",
    "Cosmos3EdgeVisionModel",
    "Cosmos3EdgeVisionEncoderLayer",
    layers="encoder.layers",
    attention="self_attn",
    block=cosmos3_block,
)
HUNYUAN_VL = _kin(
    COSMOS_3_EDGE,
    "hunyuan_vl_vision",
    "HunYuanVLVisionTransformer",
    "HunYuanVLVisionBlock",
    layers="layers",
    block=clip_block,
)
MINIMAX_M3 = _kin(
    VIDEO_LLAMA_3,
    "minimax_m3_vl_vision",
    "MiniMaxM3VLVisionModel",
    "MiniMaxM3VLVisionEncoderLayer",
    layers="layers",
    block=minimax_m3_block,
    grid=patches_grid,
    inputs=rows_inputs,
)
PIXTRAL = _kin(
    QWEN2_VL,
    "pixtral",
    "PixtralVisionModel",
    "PixtralAttentionLayer",
    layers="transformer.layers",
    attention="attention",
    block=pixtral_block,
    grid=images_grid,
    inputs=image_inputs,
    widths=gated_widths,
    boundaries="attention_mask",
    since=(5, 10),
)

PACKED_FAMILIES = (
    QWEN2_VL,
    QWEN3_VL,
    _kin(QWEN3_VL, "qwen3_vl_moe_vision", "Qwen3VLMoeVisionModel", "Qwen3VLMoeVisionBlock"),
    _kin(QWEN3_VL, "qwen3_omni_moe_vision_encoder", "Qwen3OmniMoeVisionEncoder", "Qwen3OmniMoeVisionBlock"),
    _kin(QWEN3_VL, "cohere_compass_vision", "CohereCompassVisionModel", "CohereCompassVisionBlock"),
    QWEN3_5,
    _kin(QWEN3_5, "qwen3_5_moe_vision", "Qwen3_5MoeVisionModel", "Qwen3_5MoeVisionBlock"),
    _kin(QWEN3_5, "qwen4_exp_vision", "Qwen4ExpVisionModel", "Qwen4ExpVisionBlock"),
    _kin(
        QWEN3_5,
        "ernie4_5_vl_moe_vision",
        "Ernie4_5_VLMoeVisionTransformerPretrainedModel",
        "Ernie4_5_VLMoeVisionBlock",
    ),
    GLM4V,
    _kin(GLM4V, "glm4v_moe_vision", "Glm4vMoeVisionModel", "Glm4vMoeVisionBlock"),
    GLM_OCR,
    _kin(GLM_OCR, "glm5_next_vision", "Glm5NextVisionModel", "Glm5NextVisionBlock"),
    KIMI_K25,
    VIDEO_LLAMA_3,
    _kin(
        VIDEO_LLAMA_3,
        "paddleocr_vl_vision",
        "PaddleOCRVisionTransformer",
        "PaddleOCRVisionEncoderLayer",
        inputs=paddleocr_inputs,
    ),
    DOTS3_NOTE,
    GLM_IMAGE,
    COSMOS_3_EDGE,
    HUNYUAN_VL,
    MINIMAX_M3,
    PIXTRAL,
)
