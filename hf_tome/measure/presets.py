"""Full-size models by name, with random weights: time does not depend on the weights, so nothing is downloaded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import (
    ASTForAudioClassification,
    DeiTForImageClassification,
    PreTrainedModel,
    VideoMAEForVideoClassification,
    ViTForImageClassification,
)

from hf_tome.errors import ToMeValueError, complaint

SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
HUGE = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "intermediate_size": 5120}


# A head class, and what differs from the defaults of its config, which are those of a base model.
Preset = tuple[type[PreTrainedModel], dict[str, Any]]


def _vit(size: int, patch: int, **settings: Any) -> Preset:
    return ViTForImageClassification, {**settings, "image_size": size, "patch_size": patch}


PRESETS: dict[str, Preset] = {
    "vit-small": _vit(224, 16, **SMALL),
    "vit-base": _vit(224, 16),
    "vit-large": _vit(224, 16, **LARGE),
    "vit-large-384": _vit(384, 16, **LARGE),
    "vit-huge": _vit(224, 14, **HUGE),
    "vit-huge-518": _vit(518, 14, **HUGE),
    "deit-small": (DeiTForImageClassification, SMALL),
    "deit-base": (DeiTForImageClassification, {}),
    "videomae-small": (VideoMAEForVideoClassification, SMALL),
    "videomae-base": (VideoMAEForVideoClassification, {}),
    "videomae-large": (VideoMAEForVideoClassification, LARGE),
    "ast-base": (ASTForAudioClassification, {}),
}


def build(name: str, attention: str = "sdpa", **settings: Any) -> PreTrainedModel:
    """The named model in evaluation mode, with random weights.

    Raises:
        ToMeValueError: if there is no such name.
    """
    if name not in PRESETS:
        rule = f"--config is one of {', '.join(PRESETS)}."
        raise ToMeValueError(complaint(rule, name, "Or name a model of your own with --model."))
    head, own = PRESETS[name]
    config: Any = head.config_class
    torch.manual_seed(0)
    return head._from_config(config(**{**own, **settings}), attn_implementation=attention).eval()


def random_inputs(model: PreTrainedModel, batch: int) -> dict[str, Tensor]:
    """A random batch for a model of a supported family, of the size that its config names, where the model is."""
    config: Any = model.config
    if config.model_type == "audio-spectrogram-transformer":
        shape = (config.max_length, config.num_mel_bins)
    else:
        size = config.image_size
        shape = (config.num_channels, *((size, size) if isinstance(size, int) else size))
    if config.model_type == "videomae":
        shape = (config.num_frames, *shape)
    values = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(0))
    return {model.main_input_name: values.to(model.device, model.dtype)}
