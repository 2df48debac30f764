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


def test_a_clip_is_turned_as_its_camera_noted(tmp_path: Path) -> None:
    """The matrix in the track's header says: the top of the scene is at the left of the file."""
    left = np.zeros((32, 48, 3), np.uint8)
    left[:, :24] = 255
    upright = write_clip(tmp_path / "a.mp4", [left] * 5)
    one, zero, last = (number.to_bytes(4, "big", signed=True) for number in (1 << 16, 0, 1 << 30))
    minus = (-1 << 16).to_bytes(4, "big", signed=True)
    content = upright.read_bytes()
    as_it_is, quarter = (b"".join(rows) for rows in (
        (one, zero, zero, zero, one, zero, zero, zero, last), (zero, one, zero, minus, zero, zero, zero, zero, last),
    ))  # fmt: skip
    track = content.index(as_it_is, content.index(b"tkhd"))
    (tmp_path / "turned.mp4").write_bytes(content[:track] + quarter + content[track + 36 :])
    plain, turned = read_clip(upright, 2), read_clip(tmp_path / "turned.mp4", 2)
    assert (plain.shape, turned.shape) == ((2, 32, 48, 3), (2, 48, 32, 3))
    assert turned[:, :20].min() > 200
    assert turned[:, 28:].max() < 50


def test_packets_that_no_player_shows_are_not_taken(tmp_path: Path) -> None:
    """Cut without encoding anew: the frames from the last keyframe on are in the file, to decode the others."""
    whole = write_clip(tmp_path / "a.mp4", range(0, 250, 5))
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"}
    with av.open(whole) as source, av.open(tmp_path / "cut.mp4", "w", options=options) as cut:
        stream = source.streams.video[0]
        copied = cut.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size and packet.time_base and packet.pts is not None and packet.dts is not None:
                start = int(0.72 / packet.time_base)
                packet.pts, packet.dts, packet.stream = packet.pts - start, packet.dts - start, copied
                cut.mux(packet)
    every = decoded(tmp_path / "cut.mp4")
    assert len(every) == 32
    for count in (4, 32):
        expected = [every[int((part + 0.5) * 32 / count)] for part in range(count)]
        assert np.array_equal(read_clip(tmp_path / "cut.mp4", count), np.stack(expected))


def test_frames_that_are_decoded_already_are_chosen_alike() -> None:
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    for given in (frames, list(frames)):
        assert read_clip(given, 4)[:, 0, 0, 0].tolist() == [2, 7, 12, 17]


def test_the_place_in_each_part(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", range(10, 210, 10))
    for place, expected in ((0.0, [0, 5, 10, 15]), (0.5, [2, 7, 12, 17]), (0.99, [4, 9, 14, 19])):
        shown = read_clip(path, 4, place)[:, 0, 0].mean(1)
        assert np.round(shown / 10 - 1).tolist() == expected
    with pytest.raises(ToMeValueError, match="place"):
        read_clip(path, 4, 1.0)


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
