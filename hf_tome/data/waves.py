"""Resampling of sounds and masks on spectrograms: torchaudio's where it can be imported, else the same ones here."""

from __future__ import annotations

from functools import cache
from math import ceil, gcd
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float

CROSSINGS = 6  # zeros of the sinc that are taken on each side
ROLL_OFF = 0.99  # the highest frequency that is kept, as a share of the lower Nyquist frequency
MOST = 1 << 24  # weights that torchaudio may hold: of 44101 to 16000 Hz it would hold 700 million
AT_ONCE = 1 << 16  # samples that the fallback makes at once


@cache
def library() -> Any:
    """torchaudio; None where it is missing or broken, of which `hf-tome doctor` says why."""
    try:
        import torchaudio.functional  # pyright: ignore[reportMissingImports]
        import torchaudio.transforms  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError):
        return None
    return torchaudio


def resampled(wave: Float[np.ndarray, " samples"], rate: int, wanted: int) -> Float[np.ndarray, " more"]:
    """The same sound at `wanted` samples per second instead of `rate`, without the frequencies that do not fit."""
    old, new = rate // gcd(rate, wanted), wanted // gcd(rate, wanted)
    if old == new:
        return wave
    torchaudio = library()
    if torchaudio is None or old * new > MOST:
        return _interpolated(wave, old, new)
    return torchaudio.functional.resample(torch.from_numpy(wave), old, new, CROSSINGS, ROLL_OFF).numpy()


def _interpolated(wave: np.ndarray, old: int, new: int) -> np.ndarray:
    """Each sample is the sum of those around its place, weighted by a sinc under a Hann window (Smith and Gossett,
    ICASSP 1984)."""
    kept = ROLL_OFF * min(old, new) / old  # of the frequencies of `wave`
    reach = ceil(CROSSINGS / kept)
    ahead = np.arange(-reach, reach + 1) - np.arange(new)[:, None] / new  # (phases, taps): from the place of a sample
    zeros = np.clip(ahead * kept, -CROSSINGS, CROSSINGS)
    weights = kept * np.sinc(zeros) * np.cos(zeros * np.pi / (2 * CROSSINGS)) ** 2
    padded, out = np.pad(wave, reach), np.empty(ceil(len(wave) * new / old), np.float32)
    for start in range(0, len(out), AT_ONCE):
        place = np.arange(start, min(start + AT_ONCE, len(out))) * old  # in steps of 1 / new
        around = padded[place[:, None] // new + np.arange(2 * reach + 1)]  # (samples, taps)
        out[start : start + AT_ONCE] = np.einsum("st,st->s", around, weights[place % new])
    return out


def faster(wave: Float[np.ndarray, " samples"], rate: int, factor: float) -> Float[np.ndarray, " fewer"]:
    """The sound played `factor` times as fast: shorter and higher (speed perturbation, Ko et al., Interspeech 2015)."""
    return resampled(wave, int(factor * rate), rate)


def masked(
    spectrogram: Float[Tensor, "mels frames"], most_frames: int, most_mels: int, seed: int
) -> Float[Tensor, "mels frames"]:
    """A copy of a spectrogram in which one random band of frames and one of mel bins are 0 (SpecAugment, arXiv
    1904.08779, section 2).

    Args:
        spectrogram: AST's are normalised, so that 0 is the mean of the data it was trained on.
        most_frames, most_mels: a band is narrower than that.
        seed: draws the bands.
    """
    torchaudio, out = library(), spectrogram.clone()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if torchaudio is not None:
            return torchaudio.transforms.FrequencyMasking(most_mels)(
                torchaudio.transforms.TimeMasking(most_frames)(out)
            )
        for axis, most in ((1, most_frames), (0, most_mels)):
            size = out.shape[axis]
            if most := min(most, size):
                width = torch.rand(1) * most
                start = int(torch.rand(1) * (size - width))
                out.narrow(axis, start, int(width)).zero_()
    return out
