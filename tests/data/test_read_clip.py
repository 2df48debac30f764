"""Video files: which frames are taken, and what is said of files that hold none."""

from __future__ import annotations

from contextlib import nullcontext, suppress
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


def decoded(path: Path, strict: bool = False) -> list[np.ndarray]:
    """Every frame, one after the other: the slow and obvious way. A player passes over what cannot be decoded."""
    every = []
    with av.open(path) as file:
        for packet in file.demux(video=0):
            with nullcontext() if strict else suppress(av.FFmpegError):
                every += [frame.to_ndarray(format="rgb24") for frame in packet.decode()]
    return every


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
        decoded(path, strict=True)
    assert np.array_equal(read_clip(path, 1), good)


MATRICES = {  # a b c d, of (x, y) -> (a x + c y, b x + d y), and what becomes of a picture
    "a quarter to the right": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
    "a quarter to the left": ((0, -1, 1, 0), np.rot90),
    "upside down": ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "mirrored and turned": ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_a_clip_is_turned_as_its_camera_noted(tmp_path: Path, name: str) -> None:
    """By the matrix in the track's header."""
    corner = np.zeros((32, 48, 3), np.uint8)
    corner[:8, :24] = 255
    content = write_clip(tmp_path / "a.mp4", [corner] * 5).read_bytes()

    def rows(a: int, b: int, c: int, d: int) -> bytes:
        values = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
        return b"".join(value.to_bytes(4, "big", signed=True) for value in values)

    track = content.index(rows(1, 0, 0, 1), content.index(b"tkhd"))
    numbers, turn = MATRICES[name]
    (tmp_path / "b.mp4").write_bytes(content[:track] + rows(*numbers) + content[track + 36 :])
    for plain, turned in zip(read_clip(tmp_path / "a.mp4", 2), read_clip(tmp_path / "b.mp4", 2), strict=True):
        assert np.array_equal(turned, turn(plain))


def cut(whole: Path, seconds: float, out: Path, before: bool = True) -> Path:
    """What is shown from so many seconds on, copied without encoding anew: with the packets before that are needed to
    decode it, which no player shows; or without them."""
    options = {"avoid_negative_ts": "disabled", "use_editlist": "1"} if out.suffix == ".mp4" else {}
    with av.open(whole) as source, av.open(out, "w", options=options) as target:
        stream = source.streams.video[0]
        copied = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if not packet.size or not packet.time_base or packet.dts is None:
                continue
            start = int(seconds / packet.time_base)
            if before or packet.dts >= start:
                packet.pts, packet.dts = (packet.dts if packet.pts is None else packet.pts) - start, packet.dts - start
                packet.stream = copied
                target.mux(packet)
    return out


@pytest.mark.parametrize(
    "x264", ["keyint=12:bframes=2", "keyint=12:bframes=2:open-gop=1", "keyint=12:intra-refresh=1"], ids=str
)
def test_frames_are_those_that_a_player_shows(tmp_path: Path, x264: str) -> None:
    """Also where a file says that a frame can be decoded by itself, and that is not so."""
    whole = write_clip(tmp_path / "a.mp4", range(0, 250, 2), **{"x264-params": x264})
    for path in (whole, cut(whole, 0.72, tmp_path / "b.mp4"), cut(whole, 0.72, tmp_path / "c.mp4", before=False)):
        every = decoded(path)
        for count in (4, 32):
            expected = [every[int((part + 0.5) * len(every) / count)] for part in range(count)]
            assert np.array_equal(read_clip(path, count), np.stack(expected)), path
    assert len(decoded(tmp_path / "b.mp4")) < 125


@pytest.mark.parametrize(("name", "codec"), [("a.ts", "libx264"), ("a.mpg", "mpeg2video"), ("a.avi", "mpeg4")])
def test_a_recording_that_begins_between_keyframes(tmp_path: Path, name: str, codec: str) -> None:
    """Fewer frames can be decoded than the file has packets."""
    whole = write_clip(tmp_path / name, range(0, 250, 2), codec)
    path = cut(whole, 0.72, whole.with_stem("b"), before=False)
    every = decoded(path)
    assert len(every) < 125
    expected = [every[int((part + 0.5) * len(every) / 16)] for part in range(16)]
    assert np.array_equal(read_clip(path, 16), np.stack(expected))


def test_frames_that_are_decoded_already_are_chosen_alike() -> None:
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 6, 3), np.uint8)
    for given in (frames, list(frames), np.moveaxis(frames, -1, 1)):  # torchcodec has the colours first
        assert read_clip(given, 4).shape == (4, 4, 6, 3)
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
