"""The scripts in examples/data, on small sources of the same form."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import av
import numpy as np
import soundfile
from recordings import tone, write_sound
from scripts import call, module_of


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def spoken(place: Path) -> None:
    """Two digits of two speakers, one of whom is held out; takes 0 and 7."""
    with zipfile.ZipFile(place / "fsdd.zip", "w") as archive:
        for digit in (0, 1, 2):
            for speaker in ("george", "theo"):
                for take in (0, 7):
                    path = write_sound(place / f"{digit}_{speaker}_{take}.wav", tone(0.2, 8000, 300 + digit), 8000)
                    archive.write(path, f"recordings/{path.name}")


def test_spoken_digits_by_take_and_by_speaker(tmp_path: Path) -> None:
    spoken(tmp_path)
    call("data/spoken_digits.py", tmp_path, "fsdd.zip", "takes")
    assert {name.split("_")[1] for name in names(tmp_path / "takes/test")} == {"0.wav"}
    call("data/spoken_digits.py", tmp_path, "fsdd.zip", "speakers", "--split", "speakers")
    assert names(tmp_path / "speakers/test/1") == ["theo_0.wav", "theo_7.wav"]
    assert names(tmp_path / "speakers/train/1") == ["george_0.wav", "george_7.wav"]
    loudest = [np.abs(soundfile.read(file)[0]).max() for file in (tmp_path / "speakers").rglob("*.wav")]
    assert np.allclose(loudest, 0.9, atol=1e-3)


def test_mixtures_hold_one_to_three_digits(tmp_path: Path) -> None:
    spoken(tmp_path)
    call("data/spoken_digits.py", tmp_path, "fsdd.zip", "mixed", "--split", "mixtures", "--train", "30", "--test", "10")
    folders = {path.name for path in (tmp_path / "mixed/train").iterdir()}
    assert folders <= {"0", "1", "2", "0+1", "0+2", "1+2", "0+1+2"}
    assert len(folders) > 4
    files = sorted((tmp_path / "mixed").rglob("*.wav"))
    assert len(files) == 40
    wave, rate = soundfile.read(files[0])
    assert (len(wave), rate) == (8000, 8000)
    assert np.isclose(np.abs(wave).max(), 0.9, atol=1e-3)


def test_drum_kits_are_split_by_kit(tmp_path: Path) -> None:
    for kit in ("Some Kit", "VariBreaks"):
        parts = []
        for number, name in enumerate(("Kick 1", "Snare Roll", "Closed HH", "Tom Low", "Ride Bell", "Crash")):
            write_sound(tmp_path / "kits" / kit / f"{number}.wav", np.stack([tone(2, 8000)] * 2, axis=1), 8000)
            layer = f"<layer><filename>{number}.wav</filename></layer>"
            parts.append(f"<instrument><name>{name}</name>{layer}</instrument>")
        xml = "<drumkit_info xmlns='http://www.hydrogen-music.org/drumkit'>" + "".join(parts) + "</drumkit_info>"
        (tmp_path / "kits" / kit / "drumkit.xml").write_text(xml)
    call("data/drum_kits.py", tmp_path, "kits", "drums")
    expected = {"cymbal": [2, 5], "kick": [0], "tom": [3]}
    for split, kit in (("train", "Some_Kit"), ("test", "VariBreaks")):
        files = [f"{name}/{kit}-{number}.wav" for name, numbers in expected.items() for number in numbers]
        assert names(tmp_path / "drums" / split) == files
    wave, rate = soundfile.read(tmp_path / "drums/train/kick/Some_Kit-0.wav")
    assert wave.shape == (int(1.5 * rate),)
    assert np.isclose(np.abs(wave).max(), 0.9, atol=1e-3)


def test_fashion_folder(tmp_path: Path) -> None:
    for prefix in ("train", "t10k"):
        images = bytes([0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28]) + bytes(3 * 28 * 28)
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        labels = bytes([0, 0, 8, 1, 0, 0, 0, 3, 0, 9, 3])
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    call("data/fashion_folder.py", tmp_path, ".", "clothes", "--train", "3", "--test", "2")
    assert names(tmp_path / "clothes/train") == ["ankle_boot/00001.png", "dress/00002.png", "t_shirt_top/00000.png"]
    assert names(tmp_path / "clothes/test") == ["ankle_boot/00001.png", "t_shirt_top/00000.png"]


def test_a_still_sprite_does_not_move(tmp_path: Path) -> None:
    call("data/moving_sprites.py", tmp_path, "still", "--train", "1", "--test", "1", "--still")
    with av.open(tmp_path / "still/train/left/0000.mp4") as file:
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in file.decode(video=0)]
    assert max(np.abs(frame - frames[0]).mean() for frame in frames) < 2  # the codec's own noise


def test_no_frame_of_a_moving_sprite_tells_where_it_goes() -> None:
    """All classes show the same frames, in another order."""
    sprites = module_of("data/moving_sprites.py")
    sprite = np.full((8, 8), 255.0, dtype=np.float32)
    shown = {}
    for name, step in sprites.CLASSES.items():
        pictures = sprites.clip(sprite, step, 32, 32, np.random.default_rng(0))
        assert pictures.shape == (32, 32, 32, 3)
        shown[name] = sorted(picture.tobytes() for picture in pictures)
    assert shown["left"] == shown["right"]
    assert shown["up"] == shown["down"]
