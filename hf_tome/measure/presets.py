"""Full-size models by name, with random weights: time does not depend on the weights, so nothing is downloaded."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from transformers import (
    ASTForAudioClassification,
    CLIPVisionModel,
    DeiTForImageClassification,
    Dinov2Model,
    DINOv3ViTModel,
    PreTrainedModel,
    SiglipVisionModel,
    VideoMAEForVideoClassification,
    ViTForImageClassification,
    VJEPA2ForVideoClassification,
    WhisperForAudioClassification,
)

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.families import tower_in
from hf_tome.measure.compare import placed_with

SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
HUGE = {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 16, "intermediate_size": 5120}
WHISPER = {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120}
SO400M = {"hidden_size": 1152, "num_hidden_layers": 27, "num_attention_heads": 16, "intermediate_size": 4304}

# A model class, and what differs from the defaults of its config, which are those of a base model.
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
    "clip-large-336": (CLIPVisionModel, {**LARGE, "image_size": 336, "patch_size": 14}),
    "siglip2-so400m-384": (SiglipVisionModel, {**SO400M, "image_size": 384, "patch_size": 14}),
    "dinov2-large-518": (Dinov2Model, {**LARGE, "image_size": 518, "patch_size": 14}),
    "dinov3-large": (DINOv3ViTModel, {**LARGE, "image_size": 224, "num_register_tokens": 4}),
    "whisper-large": (WhisperForAudioClassification, {**WHISPER, "num_mel_bins": 128}),  # hears 30 s
    "vjepa2-large": (VJEPA2ForVideoClassification, {**LARGE, "crop_size": 256, "frames_per_clip": 64}),
}


def build(name: str, attention: str = "sdpa", **settings: Any) -> PreTrainedModel:
    """The named model in eval mode, with random weights. Raises ToMeValueError if there is no such name."""
    if name not in PRESETS:
        rule = f"--config is one of {', '.join(PRESETS)}."
        raise ToMeValueError(complaint(rule, name, "Or name a model of your own with --model."))
    head, own = PRESETS[name]
    config: Any = head.config_class
    torch.manual_seed(0)
    return head._from_config(config(**{**own, **settings}), attn_implementation=attention).eval()


def random_inputs(model: PreTrainedModel, batch: int) -> dict[str, Tensor]:
    """A random batch for a model around an encoder of a supported family, of the size that its config names.

    Raises:
        ToMeValueError: if the model reads more than its encoder does, such as text.
    """
    tower, family = tower_in(model)
    inputs = family.inputs(tower.config, batch)
    taken = inspect.signature(model.forward).parameters
    if more := sorted({"input_ids", "decoder_input_ids"} & set(taken)):
        rule = "Random inputs are made for encoders and classifiers, which read nothing but images, clips or sounds."
        cure = "Measure its encoder, or pass inputs of your own to hf_tome.measure."
        raise ToMeValueError(complaint(rule, f"a {type(model).__name__}, which takes {' and '.join(more)}", cure))
    return placed_with(model, inputs)
