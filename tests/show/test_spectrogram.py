"""Spectrograms with their groups: axes in seconds and Hz, levels, padding, silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recordings import tone
from traced import AST, means_of, owners_of, traced
from transformers import ASTFeatureExtractor

from hf_tome.show import sound_groups
from hf_tome.show.paint import coloured
from hf_tome.show.scene import scenes, spectrograms
from hf_tome.show.spectrogram import MelAxes

SMALL = ASTFeatureExtractor(num_mel_bins=16, max_length=32)


def test_a_tone_stands_at_its_frequency_and_time() -> None:
    processor = ASTFeatureExtractor()
    axes = MelAxes.of(processor)
    for pitch in (300, 1000, 4000):
        wave = np.zeros(16000, np.float32)
        wave[8000:12000] = tone(0.25, 16000, pitch)
        levels = processor(wave, sampling_rate=16000, return_tensors="pt")["input_values"][0].numpy()
        assert abs(levels[60].argmax() - axes.bin(pitch)) <= 1.5  # at low pitch, bins are narrower than the FFT's
        loud = np.nonzero(levels[: axes.frames(len(wave)), round(axes.bin(pitch))] > levels[60].max() - 0.3)[0]
        assert abs(axes.seconds(loud[0]) - 0.5) < 0.015
        assert abs(axes.seconds(loud[-1]) - 0.75) < 0.015
    assert axes.frames(16000) == 98
    assert [text for _, text in axes.ticks()] == ["100", "300", "600", "1,000", "2,000", "4,000", "7,000"]


def test_groups_have_their_mean_level() -> None:
    features = torch.randn(2, 32, 16)
    trace = traced(AST, features)
    levels = spectrograms(features)[1]
    assert levels.shape == (16, 32, 1)
    assert (levels.min(), levels.max()) == (0, 255)
    expected = means_of(levels, owners_of((16, 32), trace, 1))[..., 0].round().astype(np.uint8)
    painted = scenes(spectrograms(features), trace)[1].painted()
    assert painted.shape == (16 * 32, 32 * 62, 3)
    assert np.array_equal(painted[16::32, 31::62], coloured(expected))
    assert len(np.unique(coloured(np.arange(256)), axis=0)) == 256


def test_figure_shows_the_sound_and_says_what_is_padding() -> None:
    waves = [tone(0.2, 16000), np.zeros(100, np.float32), tone(9, 16000)]
    features = SMALL(
        [np.pad(wave, (0, max(0, 400 - len(wave)))) for wave in waves], sampling_rate=16000, return_tensors="pt"
    )
    trace = traced(AST, features["input_values"])
    short, silent, long = sound_groups(features["input_values"], trace, SMALL, waves)
    top, _, groups = short.axes
    whole = (0.0075, 0.0125 + 0.01 * 31.5)
    assert top.get_xlim() == groups.get_xlim() == pytest.approx(whole)  # the sound fills more than a quarter
    assert "(the rest of it is padding)" in groups.get_title()
    assert "32 of 52 tokens" in groups.get_title()
    assert silent.axes[2].get_xlim()[1] > 0.04
    assert silent.axes[2].get_xlim()[1] < whole[1]
    assert long.axes[2].get_title().endswith("the model sees 0.3 s of 9.0 s")
    alone = sound_groups(features["input_values"], trace, SMALL, waves, padding=False)[0]
    assert alone.axes[2].get_xlim() == pytest.approx((0.0075, 0.0125 + 0.01 * 17.5))
    alone = sound_groups(features["input_values"], trace, SMALL, layers=0)[0]
    assert len(alone.axes) == 2
    assert "52 of 52 tokens" in alone.axes[1].get_title()


def test_silence_and_broken_numbers_are_black() -> None:
    assert not spectrograms(torch.ones(1, 32, 16)).any()
    assert not spectrograms(torch.full((1, 32, 16), float("nan"))).any()
