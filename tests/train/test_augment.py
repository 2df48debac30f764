"""Pictures, spectrograms and clips of real files: as they are for evaluation, varied in training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recordings import tone, write_clip, write_sound
from transformers import ASTFeatureExtractor, VideoMAEImageProcessorPil, ViTImageProcessorPil

from hf_tome import ToMeValueError
from hf_tome.data.image import read_image
from hf_tome.train.augment import Clips, Pictures, Spectrograms, random_square, square
from hf_tome.train.rand_augment import OPERATIONS, rand_augment

PICTURES = Pictures(ViTImageProcessorPil(size={"height": 24, "width": 24}))
EXTRACTOR = ASTFeatureExtractor(sampling_rate=16000, num_mel_bins=32, max_length=64)
PROCESSOR = VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size=16)


def chance(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# Images


def test_training_and_evaluation_see_a_picture_the_same_way_up(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.effect_noise((40, 28), 60).save(tmp_path / "a.jpg", exif=exif)
    upright = read_image(tmp_path / "a.jpg")
    assert upright.size == (28, 40)
    expected = PICTURES(upright, None)["pixel_values"]
    assert torch.equal(PICTURES(tmp_path / "a.jpg", None)["pixel_values"], expected)


def test_pictures_vary_in_training_alone(tmp_path: Path) -> None:
    picture = Image.fromarray(chance(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))
    seen = [PICTURES(picture, each)["pixel_values"] for each in (chance(0), chance(0), chance(1), None)]
    assert {tuple(each.shape) for each in seen} == {(3, 24, 24)}
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[3])


def test_rand_augment_changes_colours_and_places_but_no_size() -> None:
    picture = Image.fromarray(chance(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))
    seen = [rand_augment(picture, 9, chance(seed)) for seed in range(60)]
    assert {(each.size, each.mode) for each in seen} == {((30, 40), "RGB")}
    assert rand_augment(picture, 9, chance(3)) == seen[3]
    assert len({each.tobytes() for each in seen}) > 40
    read = Pictures(PICTURES.processor, 9)
    assert torch.equal(read(picture, None)["pixel_values"], PICTURES(picture, None)["pixel_values"])
    for name, change in OPERATIONS.items():
        assert (change(picture, 0.9).tobytes() == picture.tobytes()) == (name == "identity")


# Sounds


@pytest.mark.parametrize(("rate", "channels", "seconds"), [(8000, 1, 0.5), (44100, 2, 2.0), (16000, 1, 0.001)])
def test_any_rate_length_and_channels(tmp_path: Path, rate: int, channels: int, seconds: float) -> None:
    path = write_sound(tmp_path / "a.wav", np.stack([tone(seconds, rate)] * channels, axis=1), rate)
    values = Spectrograms(EXTRACTOR)(path, None)["input_values"]
    assert values.shape == (64, 32)
    assert values.isfinite().all()


def test_sounds_are_masked_in_training_alone(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", chance(0).normal(0, 0.1, 8000), 16000)
    values = Spectrograms(EXTRACTOR)(path, None)["input_values"]
    assert torch.equal(Spectrograms(EXTRACTOR)(path, chance(0))["input_values"], values)  # no mask asked for
    some = Spectrograms(EXTRACTOR, 40, 20)
    assert torch.equal(some(path, None)["input_values"], values)
    assert not torch.equal(some(path, chance(0))["input_values"], values)


def test_speed_varies_in_training_alone(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "a.wav", np.sin(np.arange(8000) / 3), 16000)
    read = Spectrograms(EXTRACTOR, speed=0.2)
    plain = Spectrograms(EXTRACTOR)(path, None)["input_values"]
    assert torch.equal(read(path, None)["input_values"], plain)
    drawn = [read(path, chance(seed))["input_values"] for seed in range(20)]
    silence = [int((each == each[-1]).all(1).sum()) for each in drawn]  # frames of padding
    assert min(silence) < int((plain == plain[-1]).all(1).sum()) < max(silence)
    for wrong in (-0.1, 1.0, float("nan")):
        with pytest.raises(ToMeValueError, match="share in"):
            Spectrograms(EXTRACTOR, speed=wrong)


# Clips


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """20 frames of 32 x 64 pixels, each as bright as its number says, brighter to the right."""
    ramp = np.linspace(0, 60, 64)[None, :, None]
    return write_clip(tmp_path / "a.mp4", [10 + 9 * number + ramp for number in range(20)], size=(64, 32))


def test_views_are_clips_then_crops(film: Path) -> None:
    read = Clips(PROCESSOR, 4, clips=2, crops=3)
    assert read.views == 6
    brightness = [read(film, None, view)["pixel_values"].mean().item() for view in range(6)]
    assert brightness[0] < brightness[1] < brightness[2] < brightness[5]
    assert brightness[0] < brightness[3] < brightness[4] < brightness[5]
    middle = Clips(PROCESSOR, 4, 2)(film, None, 0)["pixel_values"]  # the processor's own crop, after it has resized
    torch.testing.assert_close(read(film, None, 1)["pixel_values"], middle, atol=0.05, rtol=0)


def test_clips_vary_in_training_alone(film: Path) -> None:
    read = Clips(PROCESSOR, 4)
    draws = [read(film, chance(seed))["pixel_values"] for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert draws[0].shape == (4, 3, 16, 16)


def test_squares() -> None:
    pictures = np.arange(2 * 4 * 10 * 3).reshape(2, 4, 10, 3)
    assert [square(pictures, place)[0, 0, 0, 0] for place in (0, 0.5, 1)] == [0, 9, 18]
    assert square(pictures.transpose(0, 2, 1, 3), 1).shape == (2, 4, 4, 3)
    sides = {random_square(pictures, chance(seed)).shape for seed in range(50)}
    assert sides == {(2, side, side, 3) for side in (3, 4)}
