"""Folders and data sets as a training takes them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import soundfile
import torch
from recordings import tone, write_sound
from torch import Tensor
from torch.utils.data import DataLoader

from hf_tome import ToMeError, ToMeValueError
from hf_tome.data.media import Media
from hf_tome.data.sound import read_sound
from hf_tome.train.files import LabelledFiles, has_several, load_files, readable

FILES = Media([Path(f"{number}.wav") for number in range(6)], [(number % 3,) for number in range(6)])
NAMES = ["cat", "dog", "rain"]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def wave(path: Path) -> Path:
    return write_sound(path, np.zeros(800), 8000)


def name_of(path: Path, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
    """A stand-in for a reader: the number in the file's name, the view, and what chance gives."""
    return {"x": torch.tensor([float(path.stem), view, 0.0 if chance is None else chance.random()])}


def samples_of(file: Any, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
    return {"x": torch.from_numpy(read_sound(file)[0])}


# Folders


def test_a_folder_without_a_split_is_split_class_by_class(tmp_path: Path) -> None:
    for number in range(40):
        wave(tmp_path / ("dog" if number % 4 else "cat") / f"{number}.wav")
    for seed in range(5):
        _, held_out, _ = load_files(str(tmp_path), "audio", seed)
        assert [list(held_out.labels).count((label,)) for label in (0, 1)] == [1, 3]
    train, held_out, labels = load_files(tmp_path, "audio")
    assert (labels, len(train)) == (["cat", "dog"], 36)
    assert not set(train.files) & set(held_out.files)
    assert [*load_files(tmp_path, "audio")[1].files] == [*held_out.files]
    assert [*load_files(tmp_path, "audio", seed=1)[1].files] != [*held_out.files]


@pytest.mark.parametrize("modality", ["audio", "image"])
def test_splits_and_several_classes(tmp_path: Path, modality: str) -> None:
    """A folder means the same in every medium, and the same as in an evaluation."""
    names = ("train/dog+rain/1", "train/cat/2", "train/C++/4", "train/cat/.ipynb_checkpoints/5", "test/Rain/3")
    for name in names:
        wave(tmp_path / f"{name}.wav")
        (tmp_path / f"{name}.png").touch()
    train, held_out, labels = load_files(tmp_path, modality)
    assert labels == ["C++", "cat", "dog", "rain"]
    assert {path.stem: row for path, row in zip(train.files, train.labels, strict=True)} == {
        "1": (2, 3), "2": (1,), "4": (0,),
    }  # fmt: skip
    assert [*held_out.labels] == [(3,)]
    assert has_several(held_out, train)
    assert not has_several(held_out)


def test_a_test_set_without_labels_is_passed_over(tmp_path: Path) -> None:
    """As in competitions: what is evaluated on is set apart from the others."""
    for name in ("train/cat/1", "train/cat/2", "train/dog/3", "train/dog/4", "test/5", "test/6"):
        wave(tmp_path / f"{name}.wav")
    train, held_out, _ = load_files(tmp_path, "audio")
    assert sorted(train.labels) == sorted(held_out.labels) == [(0,), (1,)]
    assert {path.parent.name for path in (*train.files, *held_out.files)} == {"cat", "dog"}
    splits = {"train": made([0, 1, 0, 1], datasets.ClassLabel(names=NAMES[:2])),
              "test": made([-1, -1], datasets.ClassLabel(names=NAMES[:2]))}  # fmt: skip
    assert [len(part) for part in load_files(splits, "audio")[:2]] == [2, 2]


def test_classes_that_a_model_knows_keep_their_numbers(tmp_path: Path) -> None:
    for name in ("t-shirt_top", "Bag", "Coat"):
        for number in range(2):
            wave(tmp_path / name / f"{number}.wav")
    for like in (["T-shirt/top", "Coat", "Bag"], ["Bag", "T-shirt/top", "Coat"]):
        train, _, names = load_files(tmp_path, "audio", like=like)
        assert names == like
        assert {path.parent.name[0].lower(): names[row[0]][0].lower() for path, row in zip(
            train.files, train.labels, strict=True
        )} == {"t": "t", "b": "b", "c": "c"}  # fmt: skip
    for like in (["LABEL_0", "LABEL_1", "LABEL_2"], ["Bag", "Coat"], ["Bag", "bag", "Coat", "T-shirt/top"]):
        assert load_files(tmp_path, "audio", like=like)[2] == ["Bag", "Coat", "t-shirt_top"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["train/a/1.wav"], "two classes"),
        (["train/a/1.wav", "train/b/2.wav", "test/c/3.wav"], "The classes are a, b. Got: no class for c"),
        (["1.wav", "a/2.wav", "b/3.wav"], "no class for no folder"),
        (["a/1.txt"], "1 files of other kinds"),
        (["a/1.wav", "b/2.wav"], "Some class has two files or more"),
    ],
)
def test_folders_that_are_no_data(tmp_path: Path, files: list[str], words: str) -> None:
    for file in files:
        wave(tmp_path / file.replace(".txt", ".wav")).rename(tmp_path / file)
    with pytest.raises(ToMeValueError, match=words):
        load_files(str(tmp_path), "audio")
    with pytest.raises(ToMeValueError, match="Name the folder"):
        load_files("", "audio")  # not the folder that one stands in


# Data sets


def made(labels: list[Any], kind: Any) -> datasets.Dataset:
    """Sounds of different pitch in the column `file`, their classes in `what`."""
    contents = []
    for number in range(len(labels)):
        buffer = io.BytesIO()
        soundfile.write(buffer, tone(0.05, 8000, 200.0 + 50 * number), 8000, format="WAV")
        contents.append({"bytes": buffer.getvalue(), "path": f"{number}.bin"})
    stored = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    features = datasets.Features({"file": stored, "what": kind})
    data = datasets.Dataset.from_dict({"file": contents, "what": labels}, features=features)
    return data.cast_column("file", datasets.Audio())


@pytest.mark.parametrize(
    ("labels", "kind", "column", "names", "expected"),
    [
        ([0, 1, 2] * 10, datasets.ClassLabel(names=NAMES), None, NAMES, (1,)),
        ([[0], [1, 2], [2]] * 10, datasets.List(datasets.ClassLabel(names=NAMES)), None, NAMES, (1, 2)),
        (["cat", "dog", "rain"] * 10, datasets.Value("string"), "what", NAMES, (1,)),
        ([7, 10, 11] * 10, datasets.Value("int64"), "what", ["7", "10", "11"], (1,)),
    ],
    ids=["class labels", "several", "texts", "numbers"],
)
def test_a_column_of_sounds(
    tmp_path: Path, labels: list[Any], kind: Any, column: str | None, names: list[str], expected: tuple[int, ...]
) -> None:
    data = made(labels, kind)
    data.to_parquet(tmp_path / "train.parquet")
    for source in (str(tmp_path), data, datasets.DatasetDict({"train": data})):
        train, held_out, found = load_files(source, "audio", label_column=column)
        assert (found, len(train), len(held_out)) == (names, 27, 3)
        assert sorted(row[0] for row in held_out.labels) == [0, 1, 2]
        number = [*train.labels].index(expected)
        item = LabelledFiles(train, samples_of, 3, several=len(expected) > 1)[number]
        pitch = int(np.abs(np.fft.rfft(item["x"].numpy())).argmax()) / 0.05  # in steps of 20 Hz
        assert (round((pitch - 200) / 50) - 1) % 3 == 0


def test_a_split_is_taken_and_may_lack_a_class() -> None:
    text = datasets.Value("string")
    splits = {"train": made(["cat", "dog", "rain"] * 2, text), "validation": made(["rain", "dog"], text)}
    train, held_out, _ = load_files(splits, "audio", label_column="what")
    assert ([*held_out.labels], len(train)) == ([(2,), (1,)], 6)
    with pytest.raises(ToMeValueError, match="no class for rain"):
        load_files({"train": made(["cat", "dog"], text), "test": made(["rain"], text)}, "audio", label_column="what")


@pytest.mark.parametrize("column", [None, "file", "nowhere"])
def test_columns_that_are_no_classes(column: str | None) -> None:
    with pytest.raises(ToMeValueError, match="label_column"):
        load_files(made(["cat", "dog"], datasets.Value("string")), "audio", label_column=column)


def test_rows_without_a_medium_or_a_label_are_told() -> None:
    data = made([0, 1, 0, 1], datasets.ClassLabel(names=NAMES[:2]))
    some = data.map(lambda row, number: {"what": number if number < 2 else None}, with_indices=True)
    with pytest.raises(ToMeError, match=r"Got: none for 2\.bin; 2 of 4 rows"):
        load_files(some, "audio")
    train, _, _ = load_files(data.map(lambda row: {"file": None}), "audio")
    with pytest.raises(ToMeError, match="none in row"):
        LabelledFiles(train, samples_of, 2)[0]


# What a Trainer is given


def test_what_is_random_depends_on_seed_epoch_and_row_alone() -> None:
    data = LabelledFiles(FILES, name_of, 3, seed=5)
    first = [data[number]["x"][2].item() for number in range(6)]
    assert [data[number]["x"][2].item() for number in reversed(range(6))] == first[::-1]
    assert len(set(first)) == 6
    other = LabelledFiles(FILES, name_of, 3, seed=6)
    data.set_epoch(1)
    assert not set(first) & {each[number]["x"][2].item() for each in (data, other) for number in range(6)}


def test_workers_that_stay_draw_anew_in_each_epoch() -> None:
    data = LabelledFiles(FILES, name_of, 3, seed=5)
    loader = DataLoader(data, batch_size=None, num_workers=1, persistent_workers=True)
    for epoch in range(3):
        data.set_epoch(epoch)
        here = [data[number]["x"][2].item() for number in range(6)]
        assert [item["x"][2].item() for item in loader] == here


def test_views_follow_each_other() -> None:
    data = LabelledFiles(FILES, name_of, 3, views=4)
    assert len(data) == 24
    assert [data[number]["x"][:2].tolist() for number in (0, 3, 4, 23)] == [[0, 0], [0, 3], [1, 0], [5, 3]]
    assert [int(data[number]["labels"]) for number in (3, 4)] == [0, 1]


def test_several_labels_are_numbers_by_class() -> None:
    media = Media([Path("1.wav"), Path("2.wav")], [(0, 2), ()])
    items = [*LabelledFiles(media, name_of, 3, several=has_several(media))]
    assert [item["labels"].tolist() for item in items] == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    with pytest.raises(ToMeValueError, match=r"1\.wav with 2"):
        LabelledFiles(media, name_of, 3)[0]


@pytest.mark.parametrize("several", [True, False])
def test_mixup_blends_inputs_and_labels_alike(several: bool) -> None:
    def read(path: Path, chance: np.random.Generator | None, view: int) -> dict[str, Tensor]:
        return {"x": torch.nn.functional.one_hot(torch.tensor(int(path.stem) % 3), 3).float()}

    data = LabelledFiles(FILES, read, 3, several=several, seed=0, mixup=1.0)
    blended = 0
    for epoch in range(5):
        data.set_epoch(epoch)
        for item in data:
            torch.testing.assert_close(item["x"], item["labels"])
            assert item["labels"].sum() == pytest.approx(1)
            blended += int(item["labels"].max() < 1)
    assert blended > 10
    with pytest.raises(ToMeValueError, match="Mixup blends a share"):
        LabelledFiles(FILES, name_of, 3, mixup=0.5)


def test_files_that_cannot_be_read_are_named_and_left_out(tmp_path: Path) -> None:
    paths = [wave(tmp_path / f"{number}.wav") for number in range(4)]
    for number in (1, 3):
        paths[number].write_text("no sound")
    media = Media(paths, [(0,)] * 4)
    with pytest.warns(UserWarning, match=r"(?s)2 of 4 files are left out.*1\.wav.*3\.wav"):
        assert [*readable(media, samples_of).files] == [paths[0], paths[2]]
    with pytest.raises(ToMeValueError, match=r"1\.wav"):
        LabelledFiles(media, samples_of, 1)[1]
    with pytest.raises(ToMeValueError, match="2 that are not"):
        readable(media.select([1, 3]), samples_of)
