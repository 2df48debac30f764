"""Video files: which frames are taken, and what is said of files that hold none."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from recordings import tone, write_clip, write_sound

from hf_tome import ToMeValueError
from hf_tome.data.clip import read_clip

CONTAINERS = {
    "a.mp4": "libx264", "a.mov": "mpeg4", "a.avi": "mpeg4", "a.mkv": "libx264", "a.webm": "libvpx",
    "a.mpg": "mpeg2video", "a.gif": "gif",
}  # fmt: skip


def decoded(path: Path) -> list[np.ndarray]:
    """Every frame, one after the other: the slow and obvious way."""
    with av.open(path) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


@pytest.mark.parametrize("name", CONTAINERS)
def test_frames_are_the_middles_of_equal_parts(tmp_path: Path, name: str) -> None:
    """To the pixel, although most of the clip is jumped over."""
    path = write_clip(tmp_path / name, range(0, 250, 3), CONTAINERS[name])
    every = decoded(path)
    assert len(every) == 84
    for count in (1, 3, 16, 84):
        clip = read_clip(path, count)
        assert clip.dtype == np.uint8
        expected = [every[int((part + 0.5) * 84 / count)] for part in range(count)]
        assert np.array_equal(clip, np.stack(expected))


def test_a_jump_leaves_frames_undecoded(tmp_path: Path) -> None:
    """What stands before the last keyframe is never looked at: here it is broken."""
    path = write_clip(tmp_path / "a.mp4", range(0, 250, 3))
    with av.open(path) as file:
        packets = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size]
    good, content = read_clip(path, 1), bytearray(path.read_bytes())
    for start, size in packets[2:20]:
        content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    with pytest.raises(av.FFmpegError):
        decoded(path)
    assert np.array_equal(read_clip(path, 1), good)


@pytest.mark.parametrize(("frames", "expected"), [(1, [0] * 4), (2, [0, 0, 1, 1]), (3, [0, 1, 1, 2])])
def test_a_clip_that_is_too_short_repeats_frames(tmp_path: Path, frames: int, expected: list[int]) -> None:
    path = write_clip(tmp_path / "a.mp4", range(20, 20 + 60 * frames, 60))
    every = decoded(path)
    assert np.array_equal(read_clip(path, 4), np.stack([every[index] for index in expected]))


def test_a_truncated_file_gives_what_is_left_or_is_named(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "a.mkv", range(0, 250, 3), size=(160, 120)).read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    assert read_clip(tmp_path / "half.mkv", 4).shape == (4, 120, 160, 3)
    mp4 = write_clip(tmp_path / "a.mp4", range(0, 250, 3)).read_bytes()
    (tmp_path / "half.mp4").write_bytes(mp4[: len(mp4) // 2])  # its index stands at the end
    with pytest.raises(ToMeValueError, match=r"half\.mp4"):
        read_clip(tmp_path / "half.mp4", 4)


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("no video at all\n" * 50)
    (tmp_path / "folder.mp4").mkdir()
    write_sound(tmp_path / "sound.wav", tone(0.2, 8000), 8000).rename(tmp_path / "sound.avi")
    for name in ("empty.mp4", "text.mp4", "folder.mp4", "sound.avi", "missing.mp4"):
        with pytest.raises(ToMeValueError, match=r"Got: .*" + name):
            read_clip(tmp_path / name, 4)
    with pytest.raises(ToMeValueError, match="at least one frame"):
        read_clip(write_clip(tmp_path / "a.mp4", [0]), 0)
