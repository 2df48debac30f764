"""A user's own classifier with what feeds it: from files of its modality to the model's inputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForVideoClassification,
    PretrainedConfig,
    Wav2Vec2FeatureExtractor,
)

# The top-level name is a placeholder that raises where torchvision is missing, under transformers 5.10.
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from hf_tome.api import apply_tome, remove_tome
from hf_tome.data.clip import read_clip
from hf_tome.data.image import read_image
from hf_tome.data.sound import read_sound
from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint
from hf_tome.families import FAMILIES, REFUSED, family_named

AUTO = {  # a VideoMAE is fed by an image processor; its video processor would need torchvision
    "image": (AutoModelForImageClassification, AutoImageProcessor),
    "video": (AutoModelForVideoClassification, AutoImageProcessor),
    "audio": (AutoModelForAudioClassification, AutoFeatureExtractor),
}
RULE = "A model is the hub name or the folder of a classifier with its processor."
SHORTEST = 400  # samples: one window of AST's spectrogram


@dataclass(frozen=True)
class Classifier:
    """A classification model, and the processor that it was trained with.

    Attributes:
        model: in eval mode.
        processor: makes the model's inputs of media as `hf_tome.data` reads them.
        modality: "image", "video" or "audio".
    """

    model: nn.Module
    processor: Any
    modality: str

    @property
    def classes(self) -> list[tuple[str, int]]:
        """Name and number of each class. Names may repeat, as ImageNet's `crane` does."""
        config: Any = self.model.config
        return [(str(name), int(number)) for number, name in config.id2label.items()]

    @property
    def label2id(self) -> dict[str, int]:
        """The number of each class by its name."""
        return dict(self.classes)

    def read(self, source: Any) -> Any:
        """One file, its content, or a decoded medium, as the processor takes it: a picture, a waveform at its rate, or
        as many frames as the model sees.

        Raises:
            ToMeValueError: if the file cannot be read.
            MissingExtraError: if the extra that reads such files is not installed.
        """
        if self.modality == "image":
            return read_image(source)
        if self.modality == "audio":
            return read_sound(source, self.processor.sampling_rate)[0]
        config: Any = self.model.config
        return read_clip(source, getattr(config, "num_frames", None) or config.frames_per_clip)

    def noise(self, count: int) -> list[Any]:
        """So many media of noise, as `read` gives them: what a model is tried on where there are no data."""
        numbers = np.random.default_rng(0)
        if self.modality == "audio":
            return list(numbers.standard_normal((count, self.processor.sampling_rate)).astype(np.float32))
        config: Any = self.model.config
        frames = config.num_frames if self.modality == "video" else 1
        pixels = numbers.integers(0, 256, (count, frames, 64, 64, 3), dtype=np.uint8)
        pictures = [[Image.fromarray(frame) for frame in clip] for clip in pixels]
        return pictures if self.modality == "video" else [clip[0] for clip in pictures]

    def inputs(self, media: Sequence[Any]) -> dict[str, Tensor]:
        """The model's keyword inputs for a batch of what `read` gives."""
        if self.modality == "audio":
            waves = [long_enough(wave) for wave in media]
            padding = {"padding": True} if isinstance(self.processor, Wav2Vec2FeatureExtractor) else {}
            rate = self.processor.sampling_rate
            return dict(self.processor(waves, sampling_rate=rate, return_tensors="pt", **padding))
        if self.modality == "video":
            return dict(self.processor([list(frames) for frames in media], return_tensors="pt"))
        return dict(self.processor(list(media), return_tensors="pt"))


def long_enough(wave: np.ndarray) -> np.ndarray:
    """The waveform (samples,) with silence after it, if it is shorter than one window. Extractors refuse it else."""
    return np.pad(wave, (0, max(0, SHORTEST - len(wave))))


def load_classifier(name: str, attention: str | None = None) -> Classifier:
    """The classifier of a supported family that `name` holds, in float32 as its inputs are, with its processor.

    Args:
        name: on the hub, or a folder that `save_pretrained` of both wrote.
        attention: the attention implementation; None takes transformers' choice.

    Raises:
        ToMeValueError: if they cannot be loaded.
        UnsupportedModelError: if the model cannot be merged.
    """
    config = _loaded(AutoConfig, name)
    modality = _modality(name, config)
    auto_model, auto_processor = AUTO[modality]
    options = {"output_loading_info": True, "attn_implementation": attention, "dtype": "float32"}
    model, report = _loaded(auto_model, name, **options)
    if missing := sorted(key for key in report["missing_keys"] if "classifier" in key):
        cure = "Train it as a classifier first: transformers gave it random weights there."
        raise ToMeValueError(complaint(RULE, f"{name}, which holds no {', '.join(missing)}", cure))
    remove_tome(apply_tome(model, r=0))  # refuse what cannot be merged before any file is read
    return Classifier(model.eval(), _loaded(auto_processor, name), modality)


def placed(model: nn.Module, device: str | torch.device, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The model, moved to a device and to numbers to compute in.

    Raises:
        ToMeValueError: if the device is not there.
    """
    try:
        return model.to(torch.device(device), dtype)
    except (RuntimeError, AssertionError) as error:  # torch says which way it is missing
        reason = str(error).splitlines()[0]
        rule = "The device is one that this machine has."
        raise ToMeValueError(complaint(rule, f"{device} ({reason})", "For example cpu.")) from error


def _loaded(auto: Any, name: str, **options: Any) -> Any:
    """What an auto class of transformers loads, never with code that comes along.

    Raises:
        ToMeValueError: if it cannot be loaded.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "At least one mel filter")  # true of AST's own 128 bins
            return auto.from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        cure = "Check the name, or save both there with save_pretrained."
        raise ToMeValueError(complaint(RULE, f"{name} ({reason})", cure)) from error


def _modality(name: str, config: PretrainedConfig) -> str:
    """What a classifier with this config sees, as transformers tells it.

    Raises:
        UnsupportedModelError: if transformers has no classifier of media for it.
    """
    found = next((modality for modality, (auto, _) in AUTO.items() if type(config) in auto._model_mapping), None)
    if found is not None and (family_named(config.model_type) or not REFUSED.get(config.model_type)):
        return found
    if reason := REFUSED.get(config.model_type):
        rule = f"A model is of a supported family: {', '.join(family.model_type for family in FAMILIES)}."
        cure = f"It cannot be merged: {reason}. `hf-tome families` lists what works and why the rest does not."
    else:
        rule = "A model is a classifier of images, clips or sounds, as transformers knows it."
        cure = "apply_tome works on any model that holds a supported encoder; this command needs a classifier."
    raise UnsupportedModelError(complaint(rule, f"{name} (model type {config.model_type})", cure))
