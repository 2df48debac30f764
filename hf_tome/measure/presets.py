"""Full-size models by name, with random weights: time does not depend on the weights, so nothing is downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    DeiTConfig,
    DeiTForImageClassification,
    PreTrainedModel,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hf_tome.errors import ToMeValueError, complaint

SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
HUGE = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "intermediate_size": 5120}


@dataclass(frozen=True)
class Preset:
    """One model: its head class, its config class, and what differs from the config's defaults (a base model)."""

    head: type[PreTrainedModel]
    config: type[Any]
    settings: dict[str, Any]


def _vit(size: int, patch: int, **settings: Any) -> Preset:
    return Preset(ViTForImageClassification, ViTConfig, {**settings, "image_size": size, "patch_size": patch})


PRESETS = {
    "vit-small": _vit(224, 16, **SMALL),
    "vit-base": _vit(224, 16),
    "vit-large": _vit(224, 16, **LARGE),
    "vit-large-384": _vit(384, 16, **LARGE),
    "vit-huge": _vit(224, 14, **HUGE),
    "vit-huge-518": _vit(518, 14, **HUGE),
    "deit-small": Preset(DeiTForImageClassification, DeiTConfig, SMALL),
    "deit-base": Preset(DeiTForImageClassification, DeiTConfig, {}),
    "videomae-small": Preset(VideoMAEForVideoClassification, VideoMAEConfig, SMALL),
    "videomae-base": Preset(VideoMAEForVideoClassification, VideoMAEConfig, {}),
    "videomae-large": Preset(VideoMAEForVideoClassification, VideoMAEConfig, LARGE),
    "ast-base": Preset(ASTForAudioClassification, ASTConfig, {}),
}


def build(name: str, attention: str = "sdpa", **settings: Any) -> PreTrainedModel:
    """The named model in evaluation mode, with random weights.

    Raises:
        ToMeValueError: if there is no such name.
    """
    if name not in PRESETS:
        rule = f"--config is one of {', '.join(PRESETS)}."
        raise ToMeValueError(complaint(rule, name, "Or name a model of your own with --model."))
    preset = PRESETS[name]
    torch.manual_seed(0)
    config = preset.config(**{**preset.settings, **settings})
    return preset.head._from_config(config, attn_implementation=attention).eval()


def random_inputs(model: PreTrainedModel, batch: int) -> dict[str, Tensor]:
    """A random batch for a model of a supported family, of the size that its config names, where the model is."""
    config: Any = model.config
    if config.model_type == "audio-spectrogram-transformer":
        shape = (config.max_length, config.num_mel_bins)
    else:
        height, width = _pair(config.image_size)
        shape = (config.num_channels, height, width)
    if config.model_type == "videomae":
        shape = (config.num_frames, *shape)
    values = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(0))
    return {model.main_input_name: values.to(model.device, model.dtype)}


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])
