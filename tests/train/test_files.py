"""Folders of sounds and clips as a training takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from hf_tome import ToMeValueError
from hf_tome.train.files import LabelledFiles, load_files, readable

ROWS = [(Path(f"{number}.wav"), (number % 3,)) for number in range(6)]


def wave(path: Path, seconds: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(8000 * seconds)), 8000)
    return path


def name_of(path: Path, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
    """A stand-in for a reader: the number in the file's name, the view, and what chance gives."""
    return {"x": torch.tensor([float(path.stem), view, 0.0 if chance is None else chance.random()])}


def test_a_folder_without_a_split_is_split_class_by_class(tmp_path: Path) -> None:
    for number in range(40):
        wave(tmp_path / ("dog" if number % 4 else "cat") / f"{number}.wav")
    for seed in range(5):
        _, held, _ = load_files(str(tmp_path), "audio", seed)
        assert [sum(numbers == (label,) for _, numbers in held) for label in (0, 1)] == [1, 3]
    train, held, labels = load_files(str(tmp_path), "audio")
    assert labels == ["cat", "dog"]
    assert len(train) == 36
    assert not {path for path, _ in train} & {path for path, _ in held}
    assert (train, held) == load_files(str(tmp_path), "audio")[:2]
    assert held != load_files(str(tmp_path), "audio", seed=1)[1]


def test_splits_and_several_classes(tmp_path: Path) -> None:
    files = [wave(tmp_path / split) for split in ("train/dog+rain/1.wav", "train/cat/2.wav", "test/rain/3.wav")]
    train, held, labels = load_files(str(tmp_path), "audio")
    assert labels == ["cat", "dog", "rain"]
    assert sorted(train) == [(files[1], (0,)), (files[0], (1, 2))]
    assert held == [(files[2], (2,))]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["train/a/1.wav"], "two classes"),
        (["train/a/1.wav", "train/b/2.wav", "test/c/3.wav"], "with c"),
        (["1.wav", "b/2.wav"], "lies in no class"),
        (["a/1.txt"], "1 files of other kinds"),
    ],
)
def test_folders_that_are_no_data(tmp_path: Path, files: list[str], words: str) -> None:
    for file in files:
        wave(tmp_path / file.replace(".txt", ".wav")).rename(tmp_path / file)
    with pytest.raises(ToMeValueError, match=words):
        load_files(str(tmp_path), "audio")


def test_what_is_drawn_depends_on_seed_epoch_and_row_alone() -> None:
    data = LabelledFiles(ROWS, name_of, 3, seed=5)
    first = [data[number]["x"][2].item() for number in range(6)]
    assert [data[number]["x"][2].item() for number in reversed(range(6))] == first[::-1]
    assert len(set(first)) == 6
    data.set_epoch(1)
    assert not set(first) & {data[number]["x"][2].item() for number in range(6)}


def test_workers_that_stay_draw_anew_in_each_epoch() -> None:
    data = LabelledFiles(ROWS, name_of, 3, seed=5)
    loader = DataLoader(data, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in range(3):
        data.set_epoch(epoch)
        here = [data[number]["x"][2].item() for number in range(6)]
        assert [item["x"][2].item() for item in loader] == here


def test_views_follow_each_other() -> None:
    data = LabelledFiles(ROWS, name_of, 3, views=4)
    assert len(data) == 24
    assert [data[number]["x"][:2].tolist() for number in (0, 3, 4, 23)] == [[0, 0], [0, 3], [1, 0], [5, 3]]
    assert [int(data[number]["labels"]) for number in (3, 4)] == [0, 1]


def test_several_labels_are_numbers_by_class() -> None:
    data = LabelledFiles([(Path("1.wav"), (0, 2))], name_of, 3, several=True)
    assert data[0]["labels"].tolist() == [1.0, 0.0, 1.0]


def test_mixup_blends_inputs_and_labels_alike() -> None:
    def read(path: Path, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
        return {"x": torch.nn.functional.one_hot(torch.tensor(int(path.stem) % 3), 3).float()}

    data = LabelledFiles(ROWS, read, 3, several=True, seed=0, mixup=1.0)
    blended = 0
    for epoch in range(5):
        data.set_epoch(epoch)
        for item in data:
            torch.testing.assert_close(item["x"], item["labels"])
            assert item["labels"].sum() == pytest.approx(1)
            blended += int(item["labels"].max() < 1)
    assert blended > 10


def test_mixup_needs_numbers_by_class() -> None:
    with pytest.raises(ToMeValueError, match="Mixup blends labels"):
        LabelledFiles(ROWS, name_of, 3, seed=0, mixup=0.5)


def test_files_that_cannot_be_read_are_named_and_left_out() -> None:
    def read(path: Path, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
        if path.stem in "14":
            raise ToMeValueError(f"{path} is broken")
        return {}

    with pytest.warns(UserWarning, match="2 of 6 files cannot be read and are left out: 1.wav, 4.wav"):
        assert [path.stem for path, _ in readable(ROWS, read)] == ["0", "2", "3", "5"]
    with pytest.raises(ToMeValueError, match="2 that are not"):
        readable([ROWS[1], ROWS[4]], read)
