"""Video files."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.data.fault import unreadable
from hf_tome.errors import ToMeValueError, complaint, extra

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

SUFFIXES = frozenset(
    ".mp4 .m4v .mov .3gp .avi .mkv .webm .ogv .mpg .mpeg .ts .mts .wmv .flv .gif".split()  # noqa: SIM905
)
File = str | Path | BytesIO


def read_clip(source: Any, frames: int, place: float = 0.5) -> np.ndarray:
    """Frames spread evenly over the whole clip, turned as its camera noted it: one from each of so many equal parts.

    A clip with fewer frames than that repeats some, evenly too. Of what lies between two wanted frames, only what
    follows the last keyframe is decoded, if the file has an index.

    Args:
        source: a video file, a path or its content; of several video streams, the first. Or decoded frames (all,
            height, width, 3) or (all, 3, height, width), as `datasets` decodes them.
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
        pictures = np.stack([np.asarray(picture, np.uint8) for picture in chosen(source)])
        return pictures if pictures.shape[-1] == 3 else np.moveaxis(pictures, 1, -1)
    with extra("video", "read video files"):
        from av.error import FFmpegError
    try:
        times, keys = _timetable(source)
        pictures, shown = _pictures(source, chosen(times), keys)
        if not keys and shown != len(times):  # packets promise more than can be decoded
            pictures, _ = _pictures(source, chosen(range(shown)), keys)
    except (FFmpegError, OSError, ValueError) as error:
        raise unreadable("video", source, error) from error
    if not pictures:
        rule = "A video file must hold a video stream with at least one frame."
        raise ToMeValueError(complaint(rule, str(source), "Remove this file, or record it again."))
    return np.stack(pictures)


def _timetable(path: File) -> tuple[list[int], list[int]]:
    """When each frame is shown, and each keyframe to jump to, in rising order. Read from the packets, undecoded.

    Where no jump is safe, a frame's time is its place in the order of decoding. Frames that refer to others before the
    beginning of the file are not shown.
    """
    import av

    with av.open(path) as file:
        if not file.streams.video:
            return [], []
        packets = [packet for packet in file.demux(file.streams.video[0]) if packet.size]
        if not _indexed(file):
            packets = list(dropwhile(lambda packet: not packet.is_keyframe, packets)) or packets
        shown = [packet for packet in packets if not packet.is_discard]  # the others help to decode what follows
        if not _indexed(file):
            return list(range(len(shown))), []
        times = sorted(packet.pts for packet in shown if packet.pts is not None)
        keys = sorted(packet.pts for packet in packets if packet.is_keyframe and packet.pts is not None)
        if keys:
            file.seek(keys[0], stream=file.streams.video[0])
            first, _ = next(_timed(file), (math.inf, None))
            times = times[bisect_left(times, first) :]
    return times, keys


def _pictures(path: File, times: Sequence[int], keys: list[int]) -> tuple[list[np.ndarray], int]:
    """The frame that is shown at each of `times`, (height, width, 3), all as large as the first, and upright.

    Without keys, the number of all frames comes second.
    """
    import av
    from av.video.reformatter import VideoReformatter

    if not times:
        return [], 0
    if isinstance(path, BytesIO):
        path.seek(0)
    converter = VideoReformatter()  # one for all frames: making it takes longer than a small frame's conversion
    pictures: list[np.ndarray] = []
    with av.open(path) as file:
        coming, decoded = _timed(file), 0
        now, frame = -math.inf, None
        size, picture = {}, None
        for time in times:
            key = bisect_right(keys, time) - 1  # the last one not after it; the first needs no jump
            if key > 0 and now < keys[key]:
                file.seek(keys[key], stream=file.streams.video[0])
                coming, now, picture = _timed(file), -math.inf, None
                while now < keys[key]:  # an open group begins with frames that are shown before it
                    now, frame = next(coming, (math.inf, frame))
                if now != keys[key]:  # periodic intra refresh: pictures are whole some frames after such a key alone
                    file.seek(keys[0], stream=file.streams.video[0])
                    coming, keys, now = _timed(file), [], -math.inf
            while now < time:
                now, frame = next(coming, (math.inf, frame))  # the last packets may hold no frame
                picture, decoded = None, decoded + (now < math.inf)
            if frame is None:
                break
            if picture is None:
                picture = converter.reformat(frame, format="rgb24", **size).to_ndarray()
                size = {"height": picture.shape[0], "width": picture.shape[1]}
                picture = _upright(picture, frame)
            pictures.append(picture)
        return pictures, decoded + (0 if keys else sum(1 for _ in coming))


def _upright(picture: np.ndarray, frame: VideoFrame) -> np.ndarray:
    """The picture turned and mirrored as the file says: by a matrix that gives the place of a pixel on the screen."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")  # pyright: ignore[reportCallIssue, reportArgumentType]
    if matrix is None:
        return picture
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5]
    across, down = (a, d) if abs(a) >= abs(b) else (c, b)
    turned = picture if abs(a) >= abs(b) else picture.swapaxes(0, 1)
    return turned[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1]


def _indexed(file: InputContainer) -> bool:
    """Whether a jump lands where it should: in AVI and MPEG files it may not."""
    return any(name in file.format.name for name in ("mp4", "matroska"))


def _timed(file: InputContainer) -> Iterator[tuple[float, VideoFrame]]:
    """The coming frames, each with its time as `_timetable` gives it."""
    frames = _decoded(file)
    if not _indexed(file):
        return enumerate(frames)
    return ((frame.pts, frame) for frame in frames if frame.pts is not None)


def _decoded(file: InputContainer) -> Iterator[VideoFrame]:
    """The coming frames. As players do, packets that cannot be decoded are passed over: a recording begins anywhere."""
    from av.error import InvalidDataError

    for packet in file.demux(file.streams.video[0]):
        with suppress(InvalidDataError):
            yield from packet.decode()
