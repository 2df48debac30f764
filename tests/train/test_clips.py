"""Clips of real video files, at chance and in views."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hf_tome.train.clips import Clips, average, random_square, square
from transformers import VideoMAEImageProcessorPil

from hf_tome import ToMeValueError
from hf_tome.data.clip import read_clip

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from data import moving_sprites

PROCESSOR = VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size=16)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """20 frames of 32 x 64 pixels, each as bright as its number says, brighter to the right."""
    ramp = np.linspace(0, 60, 64)[None, :, None]
    pictures = [np.broadcast_to(10 + 9 * number + ramp, (32, 64, 3)) for number in range(20)]
    moving_sprites.write_clip(tmp_path / "a.mp4", np.stack(pictures).astype(np.uint8))
    return tmp_path / "a.mp4"


def test_the_place_in_each_part(film: Path) -> None:
    shown = [read_clip(film, 4, place)[:, 0, 0].mean(1) for place in (0.0, 0.5, 0.99)]
    for place, expected in zip(shown, ([0, 5, 10, 15], [2, 7, 12, 17], [4, 9, 14, 19]), strict=True):
        assert np.round((place - 10) / 9).tolist() == expected
    with pytest.raises(ToMeValueError, match="place"):
        read_clip(film, 4, 1.0)


def test_views_are_clips_then_crops(film: Path) -> None:
    read = Clips(PROCESSOR, 4, clips=2, crops=3)
    assert read.views == 6
    brightness = [read(film, None, view)["pixel_values"].mean().item() for view in range(6)]
    assert brightness[0] < brightness[1] < brightness[2] < brightness[5]
    assert brightness[0] < brightness[3] < brightness[4] < brightness[5]
    middle = Clips(PROCESSOR, 4, 2)(film, None, 0)["pixel_values"]  # the processor's own crop, after it has resized
    torch.testing.assert_close(read(film, None, 1)["pixel_values"], middle, atol=0.05, rtol=0)


def test_chance_decides_in_training_alone(film: Path) -> None:
    read = Clips(PROCESSOR, 4)
    draws = [read(film, np.random.default_rng(seed))["pixel_values"] for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert draws[0].shape == (4, 3, 16, 16)


def test_squares() -> None:
    pictures = np.arange(2 * 4 * 10 * 3).reshape(2, 4, 10, 3)
    assert [square(pictures, place)[0, 0, 0, 0] for place in (0, 0.5, 1)] == [0, 9, 18]
    assert square(pictures.transpose(0, 2, 1, 3), 1).shape == (2, 4, 4, 3)
    sides = {random_square(pictures, np.random.default_rng(seed), 0.5).shape for seed in range(50)}
    assert sides == {(2, side, side, 3) for side in (2, 3, 4)}


def test_scores_are_averaged_by_video() -> None:
    scores = np.array([[1.0, 0.0], [3.0, 2.0], [0.0, 5.0], [0.0, 7.0]])
    assert average(scores, 2).tolist() == [[2.0, 1.0], [0.0, 6.0]]


def test_no_frame_of_a_moving_sprite_tells_where_it_goes() -> None:
    """All classes show the same frames, in another order."""
    sprite = np.full((8, 8), 255.0, dtype=np.float32)
    shown = {}
    for name, step in moving_sprites.CLASSES.items():
        pictures = moving_sprites.clip(sprite, step, 32, 32, np.random.default_rng(0))
        assert pictures.shape == (32, 32, 32, 3)
        shown[name] = sorted(picture.tobytes() for picture in pictures)
    assert shown["left"] == shown["right"]
    assert shown["up"] == shown["down"]
