"""Sound files."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from hf_tome.data.fault import unreadable
from hf_tome.data.waves import resampled
from hf_tome.errors import ToMeValueError, complaint, extra

# what libsndfile reads
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})
BLOCK = 1 << 20  # samples that are read at once


def read_sound(source: Path | BytesIO | Mapping[str, Any], rate: int | None = None) -> tuple[np.ndarray, int]:
    """The waveform of the whole file and its rate; several channels become their mean.

    Args:
        source: a sound file of any rate and length, or a sound as `datasets` decodes it (`array`, (samples,) or
            (channels, samples), and `sampling_rate`).
        rate: samples per second to resample to; by default as in the file.

    Returns:
        float32 (samples,), full scale at -1 and 1, and the samples per second.

    Raises:
        ToMeValueError: if the file is no readable sound, holds no sample, or one that is no finite number.
        MissingExtraError: without the extra [audio].
    """
    if isinstance(source, Mapping):
        mono, own_rate = np.asarray(source["array"], np.float32), int(source["sampling_rate"])
        mono = mono.mean(axis=0) if mono.ndim == 2 else mono
    else:
        mono, own_rate = _decoded(source)
    if not len(mono) or not np.isfinite(mono).all():
        rule = "A sound file must hold samples, all of them finite numbers."
        got = f"{'a decoded sound' if isinstance(source, Mapping) else source} ({len(mono)} samples)"
        raise ToMeValueError(complaint(rule, got, "Remove this file, or record it again."))
    return (mono, own_rate) if rate is None else (resampled(mono, own_rate, rate), rate)


def _decoded(path: Path | BytesIO) -> tuple[np.ndarray, int]:
    """(samples,) and the rate. Memory is taken for what is there, not for what the header promises."""
    with extra("audio", "read sound files"):
        import soundfile
    try:
        with soundfile.SoundFile(path) as file:
            blocks = [np.zeros(0, np.float32)]
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):  # (samples, channels)
                blocks.append(block.mean(axis=1))
            return np.concatenate(blocks), file.samplerate
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        raise unreadable("sound", path, error) from error
