"""Sounds and images in the columns of a data set, as the hub keeps them: in Parquet files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import soundfile
import torch
from hf_tome.train.clips import Clips
from hf_tome.train.images import load_images
from hf_tome.train.sounds import Spectrograms
from PIL import Image
from transformers import ASTFeatureExtractor, VideoMAEImageProcessorPil

from hf_tome import ToMeValueError
from hf_tome.data.embedded import CLIPS
from hf_tome.train.files import LabelledFiles, load_files, readable

NAMES = ["cat", "dog", "rain"]
READ = Spectrograms(ASTFeatureExtractor(sampling_rate=8000, num_mel_bins=32, max_length=48))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def sound(number: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.random.default_rng(number).normal(0, 0.1, 3000), 11025, format="WAV")
    return buffer.getvalue()


def saved(folder: Path, labels: list[Any], kind: Any, files: list[bytes], feature: Any, split: str = "train") -> str:
    """A Parquet file with the columns `file` and `what`."""
    stored = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    rows = [{"bytes": content, "path": f"{number}.bin"} for number, content in enumerate(files)]
    columns = datasets.Features({"file": stored, "what": kind})
    data = datasets.Dataset.from_dict({"file": rows, "what": labels}, features=columns)
    folder.mkdir(exist_ok=True)
    data.cast_column("file", feature).to_parquet(folder / f"{split}.parquet")
    return str(folder)


def sounds(folder: Path, labels: list[Any], kind: Any, split: str = "train") -> str:
    return saved(folder, labels, kind, [sound(number) for number in range(len(labels))], datasets.Audio(), split)


@pytest.mark.parametrize(
    ("labels", "kind", "column", "expected"),
    [
        ([0, 1, 2] * 10, datasets.ClassLabel(names=NAMES), None, (1,)),
        ([[0], [1, 2], [2]] * 10, datasets.List(datasets.ClassLabel(names=NAMES)), None, (1, 2)),
        (["cat", "dog", "rain"] * 10, datasets.Value("string"), "what", (1,)),
    ],
    ids=["numbers", "several", "texts"],
)
def test_a_column_of_sounds(tmp_path: Path, labels: list[Any], kind: Any, column: str | None, expected: Any) -> None:
    train, held, names = load_files(sounds(tmp_path / "data", labels, kind), "audio", label_column=column)
    assert names == NAMES
    assert sorted(numbers[0] for _, numbers in held) == [0, 1, 2]
    assert len(train) == 27
    assert expected in [numbers for _, numbers in train]
    item = LabelledFiles(train, READ, 3, several=len(expected) > 1)[0]
    whole = READ(io.BytesIO(sound(train[0][0].number)), None)["input_values"]  # pyright: ignore
    assert torch.equal(item["input_values"], whole)


def test_a_split_is_taken_and_may_lack_a_class(tmp_path: Path) -> None:
    text = datasets.Value("string")
    sounds(tmp_path, ["cat", "dog", "rain"] * 2, text)
    train, held, _ = load_files(sounds(tmp_path, ["rain", "dog"], text, "validation"), "audio", label_column="what")
    assert [numbers for _, numbers in held] == [(2,), (1,)]
    assert len(train) == 6


def test_a_broken_sound_is_named_or_left_out(tmp_path: Path) -> None:
    files = [sound(0), b"no sound", sound(2), sound(3)]
    name = saved(tmp_path, [0, 1, 0, 1], datasets.ClassLabel(names=NAMES[:2]), files, datasets.Audio())
    train, held, _ = load_files(name, "audio")
    with pytest.raises(ToMeValueError, match=r"1\.bin"):
        list(LabelledFiles([*train, *held], READ, 2))
    with pytest.warns(UserWarning, match=r"1 of 4 .*1\.bin"):
        assert len(readable([*train, *held], READ)) == 3


@pytest.mark.parametrize("column", [None, "file", "nowhere"])
def test_columns_that_are_no_classes(tmp_path: Path, column: str | None) -> None:
    name = sounds(tmp_path, ["cat", "dog"], datasets.Value("string"))
    with pytest.raises(ToMeValueError, match="label_column"):
        load_files(name, "audio", label_column=column)


def test_a_class_that_is_not_trained_on(tmp_path: Path) -> None:
    text = datasets.Value("string")
    sounds(tmp_path, ["cat", "dog"], text)
    with pytest.raises(ToMeValueError, match="trained on"):
        load_files(sounds(tmp_path, ["rain"], text, "test"), "audio", label_column="what")


def test_a_column_of_images(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    texts = ["bag", "boot"] * 10
    name = saved(tmp_path, texts, datasets.Value("string"), [buffer.getvalue()] * 20, datasets.Image())
    train, evaluation, names = load_images(name, label_column="what")
    assert (len(train), len(evaluation), names) == (18, 2, ["bag", "boot"])
    assert set(train[0]) == {"image", "label"}


def test_a_column_of_videos(tmp_path: Path) -> None:
    clips = [path.read_bytes() for path in sorted(Path(CLIPS, "left").iterdir())[:4]]
    kind = datasets.ClassLabel(names=["left", "right"])
    train, held, names = load_files(saved(tmp_path, [0, 1, 0, 1], kind, clips, datasets.Video()), "video")
    assert (len(train), len(held), names) == (2, 2, ["left", "right"])
    size = {"shortest_edge": 16}
    read = Clips(VideoMAEImageProcessorPil(size=size, crop_size=16), 4)
    assert LabelledFiles(train, read, 2)[0]["pixel_values"].shape == (4, 3, 16, 16)
