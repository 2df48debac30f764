"""Resampling, speed and masks: torchaudio's values, with torchaudio and without."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from recordings import tone
from transformers import ASTFeatureExtractor, WhisperFeatureExtractor
from transformers.models.audio_spectrogram_transformer import feature_extraction_audio_spectrogram_transformer as ast

from hf_tome.data import waves
from hf_tome.data.embedded import SOUNDS
from hf_tome.data.sound import read_sound
from hf_tome.data.waves import faster, masked, resampled

torchaudio = waves.library()
needs_torchaudio = pytest.mark.skipif(torchaudio is None, reason="needs the extra [torchaudio]")
NOISE = np.random.default_rng(0).standard_normal(3000).astype(np.float32)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where torchaudio is not installed."""
    monkeypatch.setattr(waves, "library", lambda: None)
    monkeypatch.setattr(ast, "is_speech_available", lambda: False)


def by_hand(wave: np.ndarray, rate: int, wanted: int) -> np.ndarray:
    """Each sample is a sum over the whole sound: a sinc of six zeros on each side, under a Hann window, in float64."""
    cut_off = 0.99 * min(1, wanted / rate)
    places = np.arange(int(np.ceil(len(wave) * wanted / rate))) * rate / wanted
    zeros = (np.arange(len(wave)) - places[:, None]) * cut_off
    weights = np.where(abs(zeros) < 6, np.sinc(zeros) * np.cos(np.pi * zeros / 12) ** 2, 0) * cut_off
    return weights @ wave.astype(np.float64)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 44101, 48000])
@pytest.mark.parametrize("wanted", [16000, 7999])
def test_the_fallback_is_the_sum_over_all_samples(without: None, rate: int, wanted: int) -> None:
    found = resampled(NOISE[:500], rate, wanted)
    assert found.dtype == np.float32
    if rate == wanted:
        assert np.array_equal(found, NOISE[:500])
    else:
        np.testing.assert_allclose(found, by_hand(NOISE[:500], rate, wanted), atol=1e-5)


def test_a_long_sound_is_resampled_in_parts(without: None, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled(NOISE, 44100, 16000)
    monkeypatch.setattr(waves, "AT_ONCE", 100)
    assert np.array_equal(resampled(NOISE, 44100, 16000), whole)


@needs_torchaudio
@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_agrees(rate: int, request: pytest.FixtureRequest) -> None:
    theirs = torchaudio.functional.resample(torch.from_numpy(NOISE), rate, 16000).numpy()
    assert np.array_equal(resampled(NOISE, rate, 16000), theirs)
    request.getfixturevalue("without")
    np.testing.assert_allclose(resampled(NOISE, rate, 16000), theirs, atol=1e-4)


@needs_torchaudio
@pytest.mark.parametrize("factor", [0.9, 1.1, 1.25])
def test_speed_agrees(factor: float, request: pytest.FixtureRequest) -> None:
    theirs, _ = torchaudio.transforms.Speed(16000, factor)(torch.from_numpy(NOISE))
    np.testing.assert_allclose(faster(NOISE, 16000, factor), theirs.numpy(), atol=1e-5)
    request.getfixturevalue("without")
    np.testing.assert_allclose(faster(NOISE, 16000, factor), theirs.numpy(), atol=1e-4)


@needs_torchaudio
@pytest.mark.filterwarnings("ignore:At least one mel filter")
def test_masks_and_features_agree(request: pytest.FixtureRequest) -> None:
    spectrogram = torch.randn(20, 50)
    sound, _ = read_sound(min(SOUNDS.rglob("*.flac")), 16000)

    def features() -> list[np.ndarray]:
        extractors = ASTFeatureExtractor(max_length=100), WhisperFeatureExtractor(chunk_length=2)
        each = (extractor(sound, sampling_rate=16000, return_tensors="np") for extractor in extractors)
        return [found for values in each for found in values.values()]

    with_it = features()
    theirs = [masked(spectrogram, 10, 6, seed) for seed in range(100)]
    request.getfixturevalue("without")
    assert all(torch.equal(masked(spectrogram, 10, 6, seed), each) for seed, each in enumerate(theirs))
    for found, expected in zip(features(), with_it, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("library", ["torchaudio", "fallback"])
def test_masks_are_one_band_of_each_kind(library: str, request: pytest.FixtureRequest) -> None:
    if library == "fallback":
        request.getfixturevalue("without")
    spectrogram, widths, before = torch.ones(20, 50), set(), torch.get_rng_state()
    for seed in range(200):
        out = masked(spectrogram, 10, 6, seed)
        assert torch.equal(out, masked(spectrogram, 10, 6, seed))
        mels, frames = (out == 0).all(1).nonzero().ravel().tolist(), (out == 0).all(0).nonzero().ravel().tolist()
        expected = torch.ones(20, 50)
        for band, axis in ((mels, 0), (frames, 1)):
            assert not band or band == list(range(band[0], band[-1] + 1))
            expected.index_fill_(axis, torch.tensor(band, dtype=torch.int64), 0)
        assert torch.equal(out, expected)
        widths.add((len(mels), len(frames)))
    assert {mels for mels, _ in widths} == set(range(6))
    assert {frames for _, frames in widths} == set(range(10))
    assert torch.equal(masked(spectrogram, 0, 0, 0), spectrogram)
    assert (spectrogram == 1).all()
    assert torch.equal(torch.get_rng_state(), before)  # nothing global is drawn


def test_faster_is_shorter_and_higher() -> None:
    quick = faster(tone(1, 16000), 16000, 1.25)
    assert quick.dtype == np.float32
    assert len(quick) == 12800
    assert np.abs(np.fft.rfft(quick)).argmax() * 16000 / len(quick) == pytest.approx(550, abs=2)
    assert np.abs(quick[100:-100]).max() == pytest.approx(0.5, abs=0.01)  # as loud as before
