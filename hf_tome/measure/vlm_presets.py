"""Vision-language models of full size by name, with random weights, and a question about one image for each."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import LlavaForConditionalGeneration, Qwen2VLForConditionalGeneration, SmolVLMForConditionalGeneration

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.families.inputs import noise
from hf_tome.measure.presets import LARGE

WORDS = 32  # of the question
MROPE = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2}


class VlmPreset(NamedTuple):
    """A model class, what differs from the defaults in its config, and its image."""

    head: Any
    vision: dict[str, Any]  # settings of the vision tower
    text: dict[str, Any]  # and of the language model
    pixels: tuple[int, ...]  # shape of the image, as the model's processor gives it
    tokens: int  # visual tokens of the image
    more: dict[str, Any]  # settings of the whole model


VLM_PRESETS = {
    "tiny": VlmPreset(  # to see that it works
        LlavaForConditionalGeneration,
        {"model_type": "clip_vision_model", **TINY, "image_size": 64, "patch_size": 8},
        {"model_type": "llama", **TINY, "vocab_size": 64},
        (1, 3, 64, 64),
        64,
        {"image_token_index": 3},
    ),
    "llava-1.5-7b": VlmPreset(
        LlavaForConditionalGeneration,
        {"model_type": "clip_vision_model", **LARGE, "image_size": 336, "patch_size": 14},
        {"model_type": "llama", "num_hidden_layers": 32, "vocab_size": 32064},
        (1, 3, 336, 336),
        576,
        {"image_token_index": 32000},
    ),
    "qwen2-vl-2b": VlmPreset(  # 672 x 672 pixels
        Qwen2VLForConditionalGeneration,
        {"depth": 32, "hidden_size": 1536},
        {
            "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
            "num_key_value_heads": 2, "vocab_size": 151936, "rope_parameters": MROPE,
        },
        (48 * 48, 3 * 2 * 14 * 14),
        576,
        {},
    ),
    "smolvlm-256m": VlmPreset(  # four tiles and the whole image
        SmolVLMForConditionalGeneration,
        {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
            "image_size": 512, "patch_size": 16,
        },
        {
            "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
            "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49280,
        },
        (1, 5, 3, 512, 512),
        5 * 64,
        {"scale_factor": 4, "image_token_id": 49190},
    ),
}  # fmt: skip


def build_vlm(name: str, attention: str = "sdpa", depth: float = 1.0) -> Any:
    """The named model in eval mode, with random weights.

    Of vision tower and language model, the share `depth` of the layers is built, at least one of each. Every layer
    takes as long as the next, so that a small machine can measure a large model.

    Raises:
        ToMeValueError: if there is no such name, or depth is not in (0, 1].
    """
    if name not in VLM_PRESETS:
        rule = f"--vlm is one of {', '.join(VLM_PRESETS)}."
        raise ToMeValueError(complaint(rule, name, "--config takes encoders and classifiers."))
    if not 0 < depth <= 1:
        raise ToMeValueError(complaint("--depth is a share of the layers, in (0, 1].", str(depth), "1 builds all."))
    preset = VLM_PRESETS[name]
    vision, text = (
        {key: max(1, round(depth * n)) if key in ("num_hidden_layers", "depth") else n for key, n in part.items()}
        for part in (preset.vision, preset.text)
    )
    torch.manual_seed(0)
    config = preset.head.config_class(vision_config=vision, text_config=text, **preset.more)
    return preset.head._from_config(config, attn_implementation=attention).eval()


def question(name: str, model: Any) -> dict[str, Tensor]:
    """A prompt of one image and 32 words for the named model, on its device and in its dtype."""
    preset, image = VLM_PRESETS[name], model.config.image_token_id
    ids = torch.tensor([[1, *[image] * preset.tokens, *range(10, 10 + WORDS)]], device=model.device)
    pixels = noise(*preset.pixels).to(model.device, model.dtype)
    inputs = {"pixel_values": pixels, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if pixels.ndim == 2:  # packed patches of a square
        side = round(len(pixels) ** 0.5)
        inputs["image_grid_thw"] = torch.tensor([[1, side, side]], device=model.device)
        inputs["mm_token_type_ids"] = (ids == image).long()
    return inputs
