"""Frames as an animation, GIF or MP4."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from hf_tome.errors import ToMeValueError, complaint, extra
from hf_tome.measure.output import check_out, writing

SUFFIXES = (".gif", ".mp4")


def save_animation(frames: Sequence[Image.Image], path: Path | str, fps: float = 8.0) -> None:
    """Write frames of one size as an animation that a GIF repeats for ever.

    Args:
        frames: RGB.
        path: ending in .gif, or .mp4, which needs the extra [video].
        fps: frames per second.

    Raises:
        ToMeValueError: if the suffix is another, there are no frames, `fps` is not above 0, or it cannot be written.
        MissingExtraError: for .mp4 without the extra [video].
    """
    path = Path(path)
    check_out(path, SUFFIXES)
    if not frames or not fps > 0:
        rule = "An animation has at least one frame, and fps above 0."
        raise ToMeValueError(complaint(rule, f"{len(frames)} frames, fps {fps}", "For example fps=8."))
    with writing(path):
        (_save_gif if path.suffix.lower() == ".gif" else _save_mp4)([each.convert("RGB") for each in frames], path, fps)


def _save_gif(frames: list[Image.Image], path: Path, fps: float) -> None:
    # one palette for all frames and no dither: a group must not change its colour from frame to frame
    palette = Image.fromarray(np.concatenate([np.asarray(each) for each in frames])).quantize(
        256, dither=Image.Dither.NONE
    )
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    first.save(path, save_all=True, append_images=others, duration=round(1000 / fps), loop=0, optimize=False)


def _save_mp4(frames: list[Image.Image], path: Path, fps: float) -> None:
    with extra("video", "write MP4 files"):
        import av
        from av.error import FFmpegError

    width, height = (side + side % 2 for side in frames[0].size)  # the codec wants even sides
    try:
        with av.open(path, "w") as file:
            settings = {"width": width, "height": height, "pix_fmt": "yuv420p", "options": {"crf": "16"}}
            stream = file.add_stream("libx264", Fraction(fps).limit_denominator(1000), **settings)
            for frame in frames:
                page = Image.new("RGB", (width, height), "white")
                page.paste(frame)
                file.mux(stream.encode(av.VideoFrame.from_image(page)))
            file.mux(stream.encode())
    except FFmpegError as error:
        raise OSError(str(error)) from error
