"""Sound files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from hf_tome.data.extra import extra
from hf_tome.errors import ToMeValueError, complaint

# what libsndfile reads
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"})


def read_sound(path: Path | BytesIO, rate: int | None = None) -> tuple[np.ndarray, int]:
    """The waveform of the whole file and its rate; several channels become their mean.

    Args:
        path: a sound file of any rate and length.
        rate: samples per second to resample to; by default as in the file.

    Returns:
        float32 (samples,), full scale at -1 and 1, and the samples per second.

    Raises:
        ToMeValueError: if the file is no readable sound, holds no sample, or one that is no finite number.
        MissingExtraError: without the extra [audio].
    """
    with extra("audio", "read sound files"):
        import soundfile
        import soxr
    try:
        channels, own_rate = soundfile.read(path, dtype="float32", always_2d=True)  # (samples, channels)
    except (soundfile.SoundFileError, OSError, TypeError, ValueError) as error:
        rule = "Every sound file must be readable."
        raise ToMeValueError(complaint(rule, f"{path} ({error})", "Remove or repair this file.")) from error
    if not len(channels) or not np.isfinite(channels).all():
        rule = "A sound file must hold samples, all of them finite numbers."
        got = f"{path} ({len(channels)} samples)"
        raise ToMeValueError(complaint(rule, got, "Remove this file, or record it again."))
    mono = channels.mean(axis=1)  # (samples,)
    if rate is None or rate == own_rate:
        return mono, own_rate
    return soxr.resample(mono, own_rate, rate), rate
