"""Sound files of any rate, length and kind, and what is said of those that hold no sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import tone, write_aac, write_sound

from hf_tome import ToMeValueError
from hf_tome.data.sound import read_sound


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".aiff", ".mp3", ".m4a"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    samples = tone(0.5, 16000)
    path = tmp_path / f"a{suffix}"
    wave, rate = read_sound((write_aac if suffix == ".m4a" else write_sound)(path, samples, 16000))
    assert rate == 16000
    assert wave.dtype == np.float32
    assert abs(np.sqrt((wave**2).mean()) - np.sqrt((samples**2).mean())) < 0.02
    assert abs(len(wave) - len(samples)) <= (0 if suffix in (".wav", ".flac", ".aiff") else 2500)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
def test_any_rate_is_resampled_to_the_same_tone(tmp_path: Path, rate: int) -> None:
    wave, found = read_sound(write_sound(tmp_path / "a.wav", tone(1, rate), rate), 16000)
    assert found == 16000
    assert wave.dtype == np.float32
    assert wave.shape == (16000,)
    middle = slice(1000, -1000)
    assert np.abs(wave - tone(1, 16000))[middle].max() < 1e-3


def test_channels_are_mixed(tmp_path: Path) -> None:
    left, right = tone(0.1, 8000), tone(0.1, 8000, 1000)
    wave, _ = read_sound(write_sound(tmp_path / "a.wav", np.stack([left, right], axis=1), 8000))
    assert wave.ndim == 1
    assert np.abs(wave - (left + right) / 2).max() < 1e-4


def test_a_sound_that_is_decoded_already_is_read_alike() -> None:
    samples = tone(0.1, 8000)
    for array in (samples, np.stack([samples, samples]).astype(np.float64)):  # (channels, samples)
        wave, rate = read_sound({"array": array, "sampling_rate": 8000}, 16000)
        assert rate == 16000
        assert np.abs(wave - tone(0.1, 16000))[200:-200].max() < 1e-3


@pytest.mark.parametrize("sound", [{"array": [0.0]}, {"array": "no", "sampling_rate": 8000}, [0.0], None])
def test_what_is_no_decoded_sound_is_told(sound: Any) -> None:
    with pytest.raises(ToMeValueError, match=f"a decoded {type(sound).__name__}"):
        read_sound(sound)


def test_a_header_that_promises_too_much_takes_no_memory(tmp_path: Path) -> None:
    """A few kilobytes that claim 2**36 samples, 256 GiB."""
    content = bytearray(write_sound(tmp_path / "a.flac", tone(0.5, 16000), 16000).read_bytes())
    content[21] |= 15
    content[22:26] = b"\xff" * 4  # STREAMINFO: the number of samples
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(ToMeValueError, match=r"a\.flac"):
        read_sound(tmp_path / "a.flac")


def test_a_long_sound_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.stack([tone(0.5, 8000), tone(0.5, 8000, 1000)], axis=1)
    whole, _ = read_sound(write_sound(tmp_path / "a.wav", samples, 8000))
    monkeypatch.setattr("hf_tome.data.sound.BLOCK", 37)
    assert np.array_equal(read_sound(tmp_path / "a.wav")[0], whole)


def test_silence_and_a_single_sample_are_sound(tmp_path: Path) -> None:
    silent, _ = read_sound(write_sound(tmp_path / "silent.wav", np.zeros(800, np.float32), 8000), 16000)
    assert silent.shape == (1600,)
    assert not silent.any()
    short, _ = read_sound(write_sound(tmp_path / "short.wav", np.ones(1, np.float32) / 2, 16000))
    assert short.tolist() == pytest.approx([0.5], abs=1e-4)


def test_what_is_no_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound at all\n" * 50)
    whole = write_sound(tmp_path / "whole.flac", tone(1, 8000), 8000).read_bytes()
    (tmp_path / "broken.flac").write_bytes(whole[:20])
    (tmp_path / "folder.wav").mkdir()
    write_sound(tmp_path / "nothing.wav", np.zeros(0, np.float32), 8000)
    import soundfile

    soundfile.write(tmp_path / "nan.wav", np.full(10, np.nan, np.float32), 8000, subtype="FLOAT")
    (tmp_path / "text.m4a").write_text("no sound")
    wrong = ("empty.wav", "text.wav", "broken.flac", "folder.wav", "nothing.wav", "nan.wav", "missing.wav", "a.txt",
             "text.m4a", "missing.m4a")  # fmt: skip
    for name in wrong:
        with pytest.raises(ToMeValueError, match=r"Got: .*" + name):
            read_sound(tmp_path / name, 16000)
