"""Vision-language models of full size by name, with random weights, and a question about one image for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LlavaForConditionalGeneration,
    PreTrainedModel,
    Qwen2VLForConditionalGeneration,
    SmolVLMForConditionalGeneration,
)

from hf_tome.api import apply_tome
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.families import tower_in
from hf_tome.families.inputs import noise
from hf_tome.measure.compare import twin
from hf_tome.measure.presets import LARGE
from hf_tome.trace import trace_tome
from hf_tome.vlm import shorten

WORDS = 32  # of the question
MROPE = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}


@dataclass(frozen=True)
class VlmPreset:
    """A model's shape, and its image.

    Attributes:
        head: its class.
        vision, text: what differs from the defaults in the configs of its two parts.
        pixels: the image, as the model's processor gives it.
        tokens: visual tokens of the image.
        more: further settings of its config.
    """

    head: type[PreTrainedModel]
    vision: dict[str, Any]
    text: dict[str, Any]
    pixels: Callable[[], dict[str, Tensor]]
    tokens: int
    more: dict[str, Any] = field(default_factory=dict)

    def config(self, depth: float) -> Any:
        """The config, with this share of the layers of both parts."""
        kind: Any = self.head.config_class
        parts = {f"{name}_config": _cut(part, depth) for name, part in (("vision", self.vision), ("text", self.text))}
        return kind(**parts, **self.more)


TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 4, "num_attention_heads": 2}
VLM_PRESETS: dict[str, VlmPreset] = {
    "tiny": VlmPreset(  # to see that it works
        LlavaForConditionalGeneration,
        {"model_type": "clip_vision_model", **TINY, "image_size": 64, "patch_size": 8},
        {"model_type": "llama", **TINY, "vocab_size": 64},
        lambda: {"pixel_values": noise(1, 3, 64, 64)},
        64,
        {"image_token_index": 3},
    ),
    "llava-1.5-7b": VlmPreset(
        LlavaForConditionalGeneration,
        {"model_type": "clip_vision_model", **LARGE, "image_size": 336, "patch_size": 14},
        {"model_type": "llama", "num_hidden_layers": 32, "vocab_size": 32064},
        lambda: {"pixel_values": noise(1, 3, 336, 336)},
        576,
        {"image_token_index": 32000},
    ),
    "qwen2-vl-2b": VlmPreset(
        Qwen2VLForConditionalGeneration,
        {"depth": 32, "hidden_size": 1536},
        {
            "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
            "num_key_value_heads": 2, "vocab_size": 151936, "rope_parameters": MROPE,
        },
        lambda: {"pixel_values": noise(48 * 48, 3 * 2 * 14 * 14), "image_grid_thw": torch.tensor([[1, 48, 48]])},
        576,
    ),
    "smolvlm-256m": VlmPreset(
        SmolVLMForConditionalGeneration,
        {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
            "image_size": 512, "patch_size": 16,
        },
        {
            "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
            "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49280,
        },
        lambda: {"pixel_values": noise(1, 5, 3, 512, 512)},  # four tiles and the whole image
        5 * 64,
        {"scale_factor": 4},
    ),
}  # fmt: skip


def build_vlm(name: str, attention: str = "sdpa", depth: float = 1.0) -> Any:
    """The named model in evaluation mode, with random weights.

    Args:
        name: one of `VLM_PRESETS`.
        attention: implementation of the attention.
        depth: share of the layers of vision tower and language model that are built. Every layer takes as long as the
            next, so that a small machine can measure a large model.

    Raises:
        ToMeValueError: if there is no such name, or depth is not in (0, 1].
    """
    if name not in VLM_PRESETS:
        rule = f"--vlm is one of {', '.join(VLM_PRESETS)}."
        raise ToMeValueError(complaint(rule, name, "--config takes encoders and classifiers."))
    if not 0 < depth <= 1:
        raise ToMeValueError(complaint("--depth is a share of the layers, in (0, 1].", str(depth), "1 builds all."))
    preset = VLM_PRESETS[name]
    torch.manual_seed(0)
    return preset.head._from_config(preset.config(depth), attn_implementation=attention).eval()


def question(name: str, model: Any) -> dict[str, Tensor]:
    """A prompt of one image and 32 words for the named model, where it is and in its numbers."""
    preset, image = VLM_PRESETS[name], model.config.image_token_id
    ids = torch.tensor([[1, *[image] * preset.tokens, *range(10, 10 + WORDS)]])
    inputs = {**preset.pixels(), "input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if "image_grid_thw" in inputs:
        inputs["mm_token_type_ids"] = (ids == image).long()
    return {n: each.to(model.device, model.dtype if each.is_floating_point() else None) for n, each in inputs.items()}


def first_r(model: Any, inputs: dict[str, Tensor]) -> int:
    """An r to begin with for the tower of a model: about half of its tokens are left, three quarters where rotary."""
    merged = apply_tome(twin(model), r=0)
    with torch.inference_mode(), trace_tome(merged) as trace:
        shorten(merged, inputs, 1.0)
    layers, parts = len(trace.token_counts) - 1, 4 if tower_in(merged)[1].positions else 2
    return max(1, trace.token_counts[0] // (parts * layers))


def _cut(settings: dict[str, Any], depth: float) -> dict[str, Any]:
    """A part's settings with this share of its layers, at least one."""
    layers = settings.keys() & {"num_hidden_layers", "depth"}
    return {**settings, **{name: max(1, round(depth * settings[name])) for name in layers}}
