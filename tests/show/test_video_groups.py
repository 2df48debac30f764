"""Clips with their groups: colours that stay through time, strips, animations, spans."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from traced import VIDEOMAE, inner, means_of, owners_of, random_colours, traced

from hf_tome import ToMeValueError
from hf_tome.show import Span, film_strips, group_map, save_animation, time_spans, video_groups


def test_a_group_has_one_colour_through_all_frames() -> None:
    trace = traced(VIDEOMAE, torch.randn(2, 4, 3, 16, 16), r=7)
    clips = random_colours(2, 4, 16, 16)
    for item, frames in enumerate(video_groups(clips, trace)):
        owners = owners_of((4, 16, 16), trace, item)
        painted = np.stack([np.asarray(frame) for frame in frames])
        assert painted.shape == (4, 224, 224, 3)
        middles = painted.reshape(4, 16, 14, 16, 14, 3)[:, :, 7, :, 7].astype(float)
        inside = inner(owners, 1)
        assert np.abs(middles - means_of(clips[item], owners))[inside].max() <= 0.5
        corners = painted[:, ::56, ::56].reshape(-1, 3)  # the outline of each tubelet's patch, frame by frame
        by_group: dict[int, set] = {}
        for owner, colour in zip(owners[:, ::4, ::4].ravel(), map(tuple, corners), strict=True):
            by_group.setdefault(int(owner), set()).add(colour)
        assert all(len(colours) == 1 for colours in by_group.values())


def test_strip_and_beside() -> None:
    trace = traced(VIDEOMAE, torch.randn(1, 40, 3, 16, 16), num_frames=40)
    clips = random_colours(1, 40, 16, 16)
    pairs = video_groups(clips, trace, 1, beside=True)[0]
    assert len(pairs) == 40
    assert np.array_equal(np.asarray(pairs[39])[::14, :224:14], clips[0, 39])
    strip = film_strips(clips, trace)[0]
    assert strip.height > 6 * 224  # 20 steps in three rows of eight, each with its groups
    assert strip.width > 8 * 224


def test_spans_count_every_patch_once() -> None:
    trace = traced(VIDEOMAE, torch.randn(2, 16, 3, 16, 16), r=24, num_frames=16)
    groups = group_map(trace, 1)
    expected: dict[int, list[int]] = {}
    for group in np.unique(groups):
        times = np.nonzero(groups == group)[0]
        expected.setdefault(int(times.max() - times.min()) + 1, []).append(len(times))
    spans = time_spans(trace, 1)
    assert spans == [Span(steps, len(held), sum(held)) for steps, held in sorted(expected.items())]
    assert sum(span.patches for span in spans) == 128
    assert time_spans(trace, 1, layers=0) == [Span(1, 128, 128)]


@pytest.mark.parametrize("name", ["moving.gif", "moving.mp4"])
def test_an_animation_is_read_back(name: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (33, 22), colour) for colour in ("red", "lime", "blue")]
    save_animation(frames, tmp_path / name, fps=5)
    with av.open(tmp_path / name) as file:
        read = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(read) == 3
    for picture, channel in zip(read, range(3), strict=True):
        assert picture[10, 10, channel] > 200
        assert picture[10, 10].sum() < 320


def test_gif_colours_do_not_flicker(tmp_path: Path) -> None:
    frames = [Image.fromarray(random_colours(30, 30)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.paste(Image.new("RGB", (10, 10), (200, 100, 50)), (number, number))
    save_animation(frames, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as file:
        patches = []
        for number in range(3):
            file.seek(number)
            patches.append(file.convert("RGB").getpixel((number + 5, number + 5)))
    assert len(set(patches)) == 1


def test_bad_animations_are_refused(tmp_path: Path) -> None:
    frame = Image.new("RGB", (8, 8))
    for frames, name, fps in (([frame], "a.png", 8), ([], "a.gif", 8), ([frame], "a.gif", 0), ([frame], "no/a.mp4", 8)):
        with pytest.raises(ToMeValueError):
            save_animation(frames, tmp_path / name, fps)
