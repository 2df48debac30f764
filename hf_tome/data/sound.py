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

BY_AV = frozenset({".m4a", ".aac", ".wma", ".amr", ".oga"})
SUFFIXES = BY_AV | {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
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
        MissingExtraError: without the extra [audio]; for what libsndfile does not read, [video].
    """
    file = isinstance(source, str | Path | BytesIO)
    by_av = file and Path(str(source)).suffix.lower() in BY_AV
    mono, own_rate = _given(source) if not file else _by_av(source) if by_av else _decoded(source)
    if not len(mono) or not np.isfinite(mono).all():
        rule = "A sound file must hold samples, all of them finite numbers."
        got = f"{source if file else 'a decoded sound'} ({len(mono)} samples)"
        raise ToMeValueError(complaint(rule, got, "Remove this file, or record it again."))
    return (mono, own_rate) if rate is None else (resampled(mono, own_rate, rate), rate)


def _given(sound: Any) -> tuple[np.ndarray, int]:
    """(samples,) and the rate of a sound that is decoded already."""
    try:
        samples, rate = np.asarray(sound["array"], np.float32), int(sound["sampling_rate"])
    except (TypeError, LookupError, ValueError) as error:
        raise unreadable("sound", sound, error) from error
    return (samples.mean(axis=0) if samples.ndim == 2 else samples), rate


def _decoded(path: str | Path | BytesIO) -> tuple[np.ndarray, int]:
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


def _by_av(path: str | Path | BytesIO) -> tuple[np.ndarray, int]:
    """The same for what libsndfile does not read."""
    with extra("video", f"read {', '.join(sorted(BY_AV))} files"):
        import av
        from av.error import FFmpegError
    try:
        with av.open(path) as file:
            floats = av.AudioResampler(format="fltp")
            frames = [part for frame in file.decode(audio=0) for part in floats.resample(frame)]
            return np.concatenate([frame.to_ndarray().mean(axis=0) for frame in frames]), frames[0].sample_rate
    except (FFmpegError, OSError, ValueError, IndexError) as error:
        raise unreadable("sound", path, error) from error
