"""Sounds for an Audio Spectrogram Transformer: spectrograms, in training of varied speed and with masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from hf_tome.data.classifier import SHORTEST
from hf_tome.data.sound import read_sound
from hf_tome.errors import ToMeValueError, complaint


class Spectrograms:
    """Reads a sound file as AST's input: `LabelledFiles` calls it.

    Args:
        extractor: an ASTFeatureExtractor. It pads what is shorter than its `max_length` and cuts what is longer.
        time_mask: the most frames that one mask covers, 0 for none.
        mel_mask: the most mel bins that one mask covers, 0 for none.
        speed: sounds are played faster or slower by up to this share, in [0, 1). 0 for none.

    Raises:
        ToMeValueError: if `speed` is not.
    """

    def __init__(self, extractor: Any, time_mask: int = 0, mel_mask: int = 0, speed: float = 0.0) -> None:
        if not 0 <= speed < 1:
            raise ToMeValueError(complaint("The speed varies by a share in [0, 1).", speed, "0.1 is usual."))
        self.extractor, self.time_mask, self.mel_mask, self.speed = extractor, time_mask, mel_mask, speed

    def __call__(self, path: Path, chance: np.random.Generator | None, view: int = 0) -> dict[str, Tensor]:
        rate = self.extractor.sampling_rate
        wave, _ = read_sound(path, rate)
        if chance is not None and self.speed:
            wave = faster(wave, 1 + chance.uniform(-self.speed, self.speed))
        wave = np.pad(wave, (0, max(0, SHORTEST - len(wave))))
        values = self.extractor(wave, sampling_rate=rate, return_tensors="pt")["input_values"][0]  # (frames, mels)
        return {"input_values": values if chance is None else masked(values, chance, self.time_mask, self.mel_mask)}


def faster(wave: np.ndarray, factor: float) -> np.ndarray:
    """The waveform (samples,) played `factor` times as fast: shorter and higher (speed perturbation, Ko et al.,
    Interspeech 2015)."""
    import soxr

    return soxr.resample(wave, factor, 1)


def masked(spectrogram: Tensor, chance: np.random.Generator, time_mask: int, mel_mask: int) -> Tensor:
    """One mask over time and one over frequency (SpecAugment, arXiv 1904.08779, section 2), set to 0.

    AST's spectrograms are normalised, so that 0 is the mean of the data it was trained on.

    Args:
        spectrogram: (frames, mels); left as it is.
        chance: where masks begin and how wide they are is drawn from it.
        time_mask: a mask covers 0 to so many frames.
        mel_mask: a mask covers 0 to so many mel bins.
    """
    out = spectrogram.clone()
    for axis, most in ((0, time_mask), (1, mel_mask)):
        size = out.shape[axis]
        width = int(chance.integers(min(most, size) + 1))
        start = int(chance.integers(size - width + 1))
        out.narrow(axis, start, width).fill_(0)
    return out
