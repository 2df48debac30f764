"""Spectrograms of real sound files, and their masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hf_tome.train.sounds import Spectrograms, faster, masked
from transformers import ASTFeatureExtractor

from hf_tome import ToMeValueError

EXTRACTOR = ASTFeatureExtractor(sampling_rate=16000, num_mel_bins=32, max_length=64)


@pytest.mark.parametrize(("rate", "channels", "seconds"), [(8000, 1, 0.5), (44100, 2, 2.0), (16000, 1, 0.001)])
def test_any_rate_length_and_channels(tmp_path: Path, rate: int, channels: int, seconds: float) -> None:
    time = np.arange(int(rate * seconds)) / rate
    soundfile.write(tmp_path / "a.wav", np.stack([np.sin(2000 * time)] * channels, axis=1), rate)
    values = Spectrograms(EXTRACTOR)(tmp_path / "a.wav", None)["input_values"]
    assert values.shape == (64, 32)
    assert values.isfinite().all()


def test_silence_is_a_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16000)
    assert Spectrograms(EXTRACTOR)(tmp_path / "a.wav", None)["input_values"].isfinite().all()


@pytest.mark.parametrize("content", [b"", b"RIFF0000WAVEfmt ", b"a text, not a sound"])
def test_what_is_no_sound_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.wav").write_bytes(content)
    with pytest.raises(ToMeValueError, match=r"broken\.wav"):
        Spectrograms(EXTRACTOR)(tmp_path / "broken.wav", None)


def test_masks_are_one_band_of_each_kind() -> None:
    spectrogram, widths = torch.ones(50, 20), set()
    for seed in range(200):
        out = masked(spectrogram, np.random.default_rng(seed), 10, 6)
        rows, columns = (out == 0).all(1).nonzero().ravel().tolist(), (out == 0).all(0).nonzero().ravel().tolist()
        expected = torch.ones(50, 20)
        for band, axis in ((rows, 0), (columns, 1)):
            assert not band or band == list(range(band[0], band[-1] + 1))
            expected.index_fill_(axis, torch.tensor(band, dtype=torch.int64), 0)
        assert torch.equal(out, expected)
        widths.add((len(rows), len(columns)))
    assert {rows for rows, _ in widths} == set(range(11))
    assert {columns for _, columns in widths} == set(range(7))
    assert (spectrogram == 1).all()


def test_no_mask_changes_nothing(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 16000)
    plain = Spectrograms(EXTRACTOR)
    values = plain(tmp_path / "a.wav", None)["input_values"]
    assert torch.equal(plain(tmp_path / "a.wav", np.random.default_rng(0))["input_values"], values)
    some = Spectrograms(EXTRACTOR, 40, 20)
    assert torch.equal(some(tmp_path / "a.wav", None)["input_values"], values)  # evaluation is never masked
    assert not torch.equal(some(tmp_path / "a.wav", np.random.default_rng(0))["input_values"], values)


def test_faster_is_shorter_and_higher() -> None:
    wave = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000).astype(np.float32)
    quick = faster(wave, 1.25)
    assert quick.dtype == np.float32
    assert len(quick) == 12800
    spectrum = np.abs(np.fft.rfft(quick))
    assert spectrum.argmax() * 16000 / len(quick) == pytest.approx(550, abs=2)
    assert np.abs(quick[100:-100]).max() == pytest.approx(1, abs=0.01)  # as loud as before


def test_speed_varies_in_training_alone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sin(np.arange(8000) / 3), 16000)
    read = Spectrograms(EXTRACTOR, speed=0.2)
    plain = Spectrograms(EXTRACTOR)(tmp_path / "a.wav", None)["input_values"]
    assert torch.equal(read(tmp_path / "a.wav", None)["input_values"], plain)
    drawn = [read(tmp_path / "a.wav", np.random.default_rng(seed))["input_values"] for seed in range(20)]
    silence = [int((each == each[-1]).all(1).sum()) for each in drawn]  # frames of padding
    assert min(silence) < int((plain == plain[-1]).all(1).sum()) < max(silence)


@pytest.mark.parametrize("speed", [-0.1, 1.0, float("nan")])
def test_a_speed_that_is_none(speed: float) -> None:
    with pytest.raises(ToMeValueError, match="share in"):
        Spectrograms(EXTRACTOR, speed=speed)
