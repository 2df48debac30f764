"""Encoders that cannot be merged, with the reason."""

from __future__ import annotations

from hf_tome.families.sound import POST_NORM
from hf_tome.families.vit import RELATIVE

WINDOWS = "windowed attention: merged tokens would leave their windows"
PACKED = "packed sequences: all images of a batch stand in one sequence, which merges as one"
PACKED_WINDOWS = "packed sequences, and windows that merged tokens would leave"
CONVOLUTION = "its layers convolve over neighbours in time, which merged tokens no longer are"
JOINT = "text and patches stand in one sequence, so that words would merge too"
ATTENTION = "its attention computes by itself, so that token sizes have no way in"

REFUSED: dict[str, str] = {
    **dict.fromkeys(
        ("swin", "swinv2", "swin2sr", "maskformer-swin", "donut-swin", "sam", "sam_vision_model", "vitdet", "clap"),
        WINDOWS,
    ),
    "hiera": "windowed attention and pooling: merged tokens would leave their windows",
    **dict.fromkeys(
        ("pixtral", "qwen2_vl", "qwen3_vl", "qwen3_vl_moe", "glm4v", "video_llama_3", "paddleocr_vl"), PACKED
    ),
    **dict.fromkeys(("qwen2_5_vl", "qwen2_5_omni", "exaone4_5"), PACKED_WINDOWS),
    **dict.fromkeys(("data2vec-vision", "zoedepth"), RELATIVE),
    "timesformer": "divided space-time attention needs the full grid in every layer",
    "wavlm": "a relative position bias per pair of positions, which merged tokens no longer have",
    **dict.fromkeys(("sew", "data2vec-audio"), POST_NORM),
    **dict.fromkeys(("wav2vec2-bert", "wav2vec2-conformer", "parakeet", "parakeet_encoder"), CONVOLUTION),
    **dict.fromkeys(("vilt", "bridgetower"), JOINT),
    **dict.fromkeys(("blip", "blip_vision_model", "flava", "flava_image_model", "mgp-str", "kosmos-2.5"), ATTENTION),
    **dict.fromkeys(
        ("phi4_multimodal", "phi4_multimodal_vision"), "its sdpa attention is causal without a mask, and not with one"
    ),
    "radio": "it takes packed sequences too, which merge as one",
    "eomt": "queries enter midway, between layers",
    "xclip": "each layer makes a message token from the class tokens of all frames",
}
