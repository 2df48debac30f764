"""Video files."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.extra import extra
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".gif"})
File = str | Path | BytesIO


def read_clip(source: Any, frames: int, place: float = 0.5) -> np.ndarray:
    """Frames spread evenly over the whole clip, turned as its camera noted it: one from each of so many equal parts.

    A clip with fewer frames than that repeats some, evenly too. Of what lies between two wanted frames, only what
    follows the last keyframe is decoded, if the file has an index.

    Args:
        source: a video file, a path or its content; of several video streams, the first. Or decoded frames (all,
            height, width, 3).
        frames: how many frames, at least 1.
        place: which of each part, in [0, 1): 0 is its first frame, 0.5 its middle.

    Returns:
        uint8 (frames, height, width, 3), RGB.

    Raises:
        ToMeValueError: if `frames` is below 1, `place` is not in [0, 1), or the file is no readable video.
        MissingExtraError: without the extra [video].
    """
    if frames < 1:
        raise ToMeValueError(complaint("A clip needs at least one frame.", frames, "Choose 1 or more."))
    if not 0 <= place < 1:
        raise ToMeValueError(complaint("The place in a part is in [0, 1).", place, "0.5 is the middle."))

    def chosen(every: Sequence[Any]) -> list[Any]:
        return [every[int((part + place) * len(every) / frames)] for part in range(frames)] if len(every) else []

    if not isinstance(source, File):
        return np.stack([np.asarray(picture, np.uint8) for picture in chosen(source)])
    with extra("video", "read video files"):
        from av.error import FFmpegError
    try:
        times, keys = _timetable(source)
        pictures = list(_pictures(source, chosen(times), keys))
    except (FFmpegError, OSError, ValueError) as error:
        rule = "Every video file must be readable."
        raise ToMeValueError(complaint(rule, f"{source} ({error})", "Remove or repair this file.")) from error
    if not pictures:
        rule = "A video file must hold a video stream with at least one frame."
        raise ToMeValueError(complaint(rule, str(source), "Remove this file, or record it again."))
    return np.stack(pictures)


def _timetable(path: File) -> tuple[list[int], list[int]]:
    """When each frame is shown, and each keyframe to jump to, in rising order. Read from the packets, undecoded.

    Where no jump is safe, a frame's time is its place in the order of decoding.
    """
    import av

    with av.open(path) as file:
        if not file.streams.video:
            return [], []
        packets = [packet for packet in file.demux(file.streams.video[0]) if packet.size]
        shown = [packet for packet in packets if not packet.is_discard]  # the others help to decode what follows
        if not _indexed(file):
            return list(range(len(shown))), []
        times = sorted(packet.pts for packet in shown if packet.pts is not None)
    return times, sorted(packet.pts for packet in packets if packet.is_keyframe and packet.pts is not None)


def _pictures(path: File, times: list[int], keys: list[int]) -> Iterator[np.ndarray]:
    """The frame that is shown at each of `times`, (height, width, 3), all as large as the first, and upright."""
    import av
    from av.video.reformatter import VideoReformatter

    if not times:
        return
    if isinstance(path, BytesIO):
        path.seek(0)
    converter = VideoReformatter()  # one for all frames: making it takes longer than a small frame's conversion
    with av.open(path) as file:
        stream = file.streams.video[0]
        coming = _timed(file)
        now, frame = -math.inf, None
        size, picture = {}, None
        for time in times:
            key = bisect_right(keys, time) - 1  # the last one not after it; the first needs no jump
            if key > 0 and now < keys[key]:
                file.seek(keys[key], stream=stream)
                coming = _timed(file)
            while now < time:
                now, frame = next(coming, (math.inf, frame))  # the last packets may hold no frame
                picture = None
            if frame is None:
                return
            if picture is None:
                picture = converter.reformat(frame, format="rgb24", **size).to_ndarray()
                size = {"height": picture.shape[0], "width": picture.shape[1]}
                picture = np.rot90(picture, round(frame.rotation / 90))  # both count against the clock
            yield picture


def _indexed(file: InputContainer) -> bool:
    """Whether a jump lands where it should: in AVI and MPEG files it may not."""
    return any(name in file.format.name for name in ("mp4", "matroska"))


def _timed(file: InputContainer) -> Iterator[tuple[float, VideoFrame]]:
    """The coming frames, each with its time as `_timetable` gives it."""
    frames = file.decode(file.streams.video[0])
    if not _indexed(file):
        return enumerate(frames)
    return ((frame.pts, frame) for frame in frames if frame.pts is not None)
