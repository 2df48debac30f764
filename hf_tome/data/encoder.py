"""A model with its processor: from files of its modality to the model's inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import Wav2Vec2FeatureExtractor

from hf_tome.config import ToMeConfig
from hf_tome.data.clip import read_clip
from hf_tome.data.embedded import NAMES
from hf_tome.data.image import read_image
from hf_tome.data.rows import Prepared
from hf_tome.data.sound import read_sound
from hf_tome.errors import ToMeError, ToMeValueError, complaint

SHORTEST = 400  # samples: one window of a spectrogram, and of wav2vec 2.0's convolutions


@dataclass(frozen=True)
class Encoder:
    """A model of a supported family, and the processor that it was trained with.

    Attributes:
        model: in eval mode.
        processor: makes the model's inputs of media as `hf_tome.data` reads them.
        modality: "image", "video" or "audio".
        saved: the settings of merging that the checkpoint came with; None without.
    """

    model: nn.Module
    processor: Any
    modality: str
    saved: ToMeConfig | None = None

    @property
    def name(self) -> str:
        """What reports call the model: where it was loaded from, or which of the embedded ones it is."""
        config: Any = self.model.config
        name = str(config._name_or_path)
        return NAMES.get(name, name)

    @property
    def task(self) -> str:
        """What it is for, as the hub names it."""
        return f"{self.modality}-feature-extraction"

    def output(self, model: nn.Module, inputs: dict[str, Tensor]) -> Any:
        """What a model of this kind answers on a batch of `inputs`: logits, embeddings or words."""
        return model(**inputs).logits

    def read(self, source: Any) -> Any:
        """One file, its content, or a decoded medium, as the processor takes it: a picture, a waveform at its rate, or
        as many frames as the model sees. What is `Prepared` stays as it is.

        Raises:
            ToMeValueError: if the file cannot be read.
            MissingExtraError: if the extra that reads such files is not installed.
        """
        if isinstance(source, Prepared):
            return source
        if self.modality == "image":
            return read_image_for(self.processor, source)
        if self.modality == "audio":
            return read_sound(source, self.processor.sampling_rate)[0]
        return read_clip(source, frames_of(self.model.config))

    def noise(self, count: int) -> list[Any]:
        """Random media in the form that `read` returns, to try a model without data."""
        numbers = np.random.default_rng(0)
        if self.modality == "audio":
            return list(numbers.standard_normal((count, self.processor.sampling_rate)).astype(np.float32))
        frames = frames_of(self.model.config) if self.modality == "video" else 1
        pixels = numbers.integers(0, 256, (count, frames, 64, 64, 3), dtype=np.uint8)
        pictures = [[Image.fromarray(frame) for frame in clip] for clip in pixels]
        return pictures if self.modality == "video" else [self.read(clip[0]) for clip in pictures]

    def inputs(self, media: Sequence[Any]) -> dict[str, Tensor]:
        """The model's keyword inputs for a batch of what `read` gives."""
        if not isinstance(media[0], Prepared):
            return self._processed(media)
        with fitting(self.processor):
            return {name: torch.stack([each[name] for each in media]) for name in media[0]}

    def _processed(self, media: Sequence[Any]) -> dict[str, Tensor]:
        if self.modality == "audio":
            return sound_inputs(self.processor, media)
        if self.modality == "image":
            return processed(self.processor, list(media))
        (pixels,) = processed(self.processor, [list(frames) for frames in media]).values()
        model: Any = self.model
        return {model.main_input_name: pixels}  # V-JEPA 2 calls it otherwise than image processors


@contextmanager
def fitting(part: object) -> Iterator[None]:
    """Inside this block, an error of a model or processor that does not take its input becomes a ToMeValueError."""
    try:
        yield
    except (ToMeError, torch.OutOfMemoryError):
        raise
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        rule = "Media, processor and model fit each other: in size, channels and normalisation."
        cure = "Use the processor that the model was trained with."
        raise ToMeValueError(complaint(rule, f"a {type(part).__name__}, which says: {reason}", cure)) from error


def processed(processor: Any, media: Any, **options: Any) -> dict[str, Tensor]:
    """What a processor of transformers makes of media."""
    with fitting(processor):
        return dict(processor(media, return_tensors="pt", **options))


def frames_of(config: Any) -> int:
    """How many frames a video model sees."""
    return config.frames_per_clip if hasattr(config, "frames_per_clip") else config.num_frames


def read_image_for(processor: Any, source: Any) -> Image.Image:
    """The picture in colours, or in grey for a processor of one channel."""
    image, means = read_image(source), getattr(processor, "image_mean", None)
    return image.convert("L") if isinstance(means, list | tuple) and len(means) == 1 else image


def is_wave(extractor: Any) -> bool:
    """Whether a feature extractor leaves waves, of any length, and makes no spectrograms."""
    return isinstance(extractor, Wav2Vec2FeatureExtractor)


def sound_inputs(extractor: Any, waves: Sequence[np.ndarray], **options: Any) -> dict[str, Tensor]:
    """The inputs that a feature extractor makes of waveforms (samples,) at its rate.

    Args:
        extractor: makes spectrograms of one length; or leaves waves, which are filled up to the longest.
        waves: the batch.
        options: more arguments of the extractor.
    """
    if is_wave(extractor):
        options = {"padding": True, **options}
    waves = [long_enough(wave) for wave in waves]
    return processed(extractor, waves, sampling_rate=extractor.sampling_rate, **options)


def long_enough(wave: np.ndarray) -> np.ndarray:
    """The waveform (samples,) with silence after it, if it is shorter than one window. Extractors refuse it else."""
    return np.pad(wave, (0, max(0, SHORTEST - len(wave))))
