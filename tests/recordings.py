"""Sound and video files, written as real ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import soundfile


def tone(seconds: float, rate: int, pitch: float = 440.0) -> np.ndarray:
    """(samples,) float32: a sine of half the full scale."""
    return (0.5 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, rate: int) -> Path:
    """(samples,) or (samples, channels), in the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def write_aac(path: Path, samples: np.ndarray, rate: int) -> Path:
    """(samples,), as telephones record."""
    with av.open(path, "w", format="ipod") as file:
        stream = file.add_stream("aac", rate=rate, layout="mono")
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = rate, start
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def write_clip(
    path: Path,
    pictures: Sequence[int | np.ndarray],
    codec: str = "libx264",
    size: tuple[int, int] = (48, 32),
    **options: str,
) -> Path:
    """A clip of greys, or of pictures uint8 (height, width, 3): a keyframe every 12 frames, and frames that look ahead
    where the codec can. `options` are the codec's own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(path, "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        stream.gop_size = 12
        if codec in ("libx264", "mpeg4", "mpeg2video"):
            stream.max_b_frames = 2
        for picture in pictures:
            whole = np.broadcast_to(np.asarray(picture, np.uint8), (size[1], size[0], 3))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(whole), format="rgb24")))
        file.mux(stream.encode())
    return path
