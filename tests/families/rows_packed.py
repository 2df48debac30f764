"""Towers that pack images of several sizes in one sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from by_hand import Shape
from row import LAYERS, Row, inside, made
from torch import Tensor

GRID = torch.tensor([[1, 4, 4], [1, 4, 4], [1, 2, 6], [2, 2, 4]])  # two of one size, another, and a clip
SIZES_OF_IMAGES = [[16, 24], [16, 24], [8, 16]]  # of Pixtral's, which stand in the corners of larger ones
STILL = GRID[:3]  # GLM-4V and Kimi K2.5 take no clips beside images
SIZES = {"hidden_size": 16, "num_heads": 2, "depth": LAYERS, "intermediate_size": 24, "out_hidden_size": 24}
QWEN3 = {**SIZES, "patch_size": 4, "num_position_embeddings": 16}
GLM = {**SIZES, "patch_size": 4, "image_size": 16}
CLIP = {
    "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": LAYERS, "intermediate_size": 24, "patch_size": 4,
}  # fmt: skip


def in_rows(temporal: int = 2, grid: Tensor = GRID) -> Callable[[], dict[str, Tensor]]:
    return lambda: {"hidden_states": made(patches(grid), 3 * temporal * 16), "grid_thw": grid}


def in_pixel_rows(temporal: int = 1, grid: Tensor = GRID) -> Callable[[], dict[str, Tensor]]:
    return lambda: {"pixel_values": made(patches(grid), 3 * temporal * 16), "grid_thw": grid}


def in_squares(*batch: int, grid: Tensor = GRID, **more: Any) -> Callable[[], dict[str, Tensor]]:
    return lambda: {"pixel_values": made(*batch, patches(grid), 3, 4, 4), "grid_thw": grid, **more}


def patches(grid: Tensor) -> int:
    return int(grid.prod(dim=1).sum())


def packed(
    name: str,
    tower: str,
    config: dict[str, Any],
    inputs: Callable[[], dict[str, Tensor]],
    layers: str = "blocks",
    parts: tuple[str, str] = ("attn", "norm2"),
    kind: str = "_vision",
    implementations: tuple[str, ...] = ("sdpa",),
    positions: str = "position_embeddings",
) -> Row:
    model = inside(name, tower)
    shape = Shape(tower, layers, *parts, 0, positions=positions, packed=True)
    name = f"{name}{kind}"
    return Row(name, model, lambda: model.config_class(**config), inputs, shape, implementations=implementations)


DEEP = {**QWEN3, "deepstack_visual_indexes": [0, LAYERS - 1]}
IN_CLIP: dict[str, Any] = {"layers": "encoder.layers", "parts": ("self_attn", "layer_norm2")}
PACKED = (
    packed(
        "qwen2_vl",
        "Qwen2VisionTransformerPretrainedModel",
        {"embed_dim": 16, "hidden_size": 24, "num_heads": 2, "depth": LAYERS, "mlp_ratio": 2, "patch_size": 4},
        in_rows(),
        implementations=("sdpa", "eager"),  # the others have the same attention
    ),
    packed("qwen3_vl", "Qwen3VLVisionModel", DEEP, in_rows()),
    packed("qwen3_vl_moe", "Qwen3VLMoeVisionModel", DEEP, in_rows()),
    packed("qwen3_omni_moe", "Qwen3OmniMoeVisionEncoder", DEEP, in_rows(), kind="_vision_encoder"),
    packed("cohere_compass", "CohereCompassVisionModel", DEEP, in_rows()),
    packed("qwen3_5", "Qwen3_5VisionModel", QWEN3, in_rows()),
    packed("qwen3_5_moe", "Qwen3_5MoeVisionModel", QWEN3, in_rows()),
    packed("qwen4_exp", "Qwen4ExpVisionModel", QWEN3, in_rows()),
    packed(
        "ernie4_5_vl_moe",
        "Ernie4_5_VLMoeVisionTransformerPretrainedModel",
        {**CLIP, "depth": LAYERS, "num_heads": 2},
        in_rows(1),
    ),
    packed("glm4v", "Glm4vVisionModel", GLM, in_rows(grid=STILL)),
    packed("glm4v_moe", "Glm4vMoeVisionModel", GLM, in_rows(grid=STILL)),
    packed("glm_ocr", "GlmOcrVisionModel", GLM, in_rows()),
    packed("glm5_next", "Glm5NextVisionModel", {**GLM, "projection_intermediate_size": 24}, in_rows()),
    packed(
        "kimi_k25",
        "Kimi_K25VisionModel",
        {**CLIP, "pos_emb_height": 4, "pos_emb_width": 4},
        in_squares(grid=STILL),
        "layers",
    ),
    packed(
        "video_llama_3", "VideoLlama3VisionModel", CLIP, in_squares(merge_sizes=torch.tensor([2, 1, 2, 2])), **IN_CLIP
    ),
    packed("paddleocr_vl", "PaddleOCRVisionTransformer", {**CLIP, "image_size": 16}, in_squares(1), **IN_CLIP),
    packed(
        "dots3_note",
        "Dots3NoteVisionModel",
        {**CLIP, "mlp_layer_types": ["dense"] * LAYERS, "adapter_in_dim": 16, "adapter_out_dim": 24},
        in_pixel_rows(),
        kind="_vision_encoder",
    ),
    packed("glm_image", "GlmImageVisionModel", GLM, in_pixel_rows(grid=STILL), positions=""),
    packed(
        "cosmos3_edge", "Cosmos3EdgeVisionModel", {**CLIP, "num_patches": 16}, in_pixel_rows(), **IN_CLIP, positions=""
    ),
    packed(
        "hunyuan_vl",
        "HunYuanVLVisionTransformer",
        {**CLIP, "max_image_size": 16, "text_hidden_size": 24},
        in_pixel_rows(grid=STILL),
        "layers",
        ("self_attn", "layer_norm2"),
        positions="",
    ),
    packed("minimax_m3_vl", "MiniMaxM3VLVisionModel", CLIP, in_pixel_rows(2), "layers", ("self_attn", "layer_norm2")),
    packed(
        "pixtral",
        "PixtralVisionModel",
        {**CLIP, "image_size": 24},
        lambda: {"pixel_values": made(3, 3, 16, 24), "image_sizes": torch.tensor(SIZES_OF_IMAGES)},
        "transformer.layers",
        ("attention", "ffn_norm"),
        kind="",
        implementations=("sdpa", "eager"),
    ),
)
