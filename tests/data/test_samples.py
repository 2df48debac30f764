"""Data sets as the `datasets` library holds them: which columns are read, and what their labels mean for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from cases import CLASSES, SMALL_VIT
from own_data import labelled, rows
from PIL import Image
from transformers import ViTImageProcessorPil

from hf_tome import ToMeError, ToMeValueError
from hf_tome.data.classifier import Classifier
from hf_tome.data.samples import samples_of

NAMES = [f"class {number}" for number in range(CLASSES)]


@pytest.fixture
def classifier() -> Classifier:
    model = SMALL_VIT.build(id2label=dict(enumerate(NAMES)))
    return Classifier(model, ViTImageProcessorPil(size={"height": 24, "width": 24}), "image")


def labels_of(classifier: Classifier, values: list[Any], kind: Any) -> list[Any]:
    pictures = [Image.new("RGB", (9, 9), (number, 0, 0)) for number in range(len(values))]
    features = datasets.Features({"image": datasets.Image(), "label": kind})
    data = datasets.Dataset.from_dict({"image": pictures, "label": values}, features=features)
    found = samples_of(data, classifier)
    assert [found.read(number).getpixel((0, 0))[0] for number in range(found.count)] == list(range(len(values)))
    return [] if found.labels is None else found.labels.tolist()


def test_labels_are_matched_by_name_as_those_of_folders_are(classifier: Classifier) -> None:
    plain = datasets.ClassLabel(names=["class_4", "Class_0", "class_2"])  # as folders carry them
    assert labels_of(classifier, [0, 1, 2, 0], plain) == [4, 0, 2, 4]
    assert labels_of(classifier, [[0, 1], [2]], datasets.List(plain)) == [[1, 0, 0, 0, 1], [0, 0, 1, 0, 0]]
    assert labels_of(classifier, ["Class 3", "class 1"], datasets.Value("string")) == [3, 1]
    assert labels_of(classifier, [3, 1], datasets.Value("int64")) == [3, 1]


@pytest.mark.parametrize(
    ("values", "kind", "said"),
    [
        ([0, 1], datasets.ClassLabel(names=["class 0", "cow"]), "no class for cow, among class 0, cow"),
        (["class 0", "cow"], datasets.Value("string"), "no class for cow"),
        ([0, -1], datasets.ClassLabel(names=NAMES), "Got: none for 1"),
        ([0, None], datasets.ClassLabel(names=NAMES), "Got: none for 1"),
        ([0.5], datasets.Value("float32"), "Got: 0.5 for 0"),
        ([0, 5], datasets.Value("int64"), "0 to 4. Got: 5"),
    ],
)
def test_labels_that_are_no_classes(classifier: Classifier, values: list[Any], kind: Any, said: str) -> None:
    with pytest.raises(ToMeError, match=said):
        labels_of(classifier, values, kind)


def test_names_that_are_given_take_the_place_of_the_models(classifier: Classifier, tmp_path: Path) -> None:
    folder = labelled(SMALL_VIT, tmp_path, 4, lambda number: "cat" if number % 2 else "dog")
    assert samples_of(folder, classifier).labels is None
    found = samples_of(folder, classifier, label2id={"dog": 3, "cat": 1})
    assert sorted(found.labels.tolist()) == [1, 1, 3, 3]  # pyright: ignore


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "Testing"), ("TRAIN", "Test")])
def test_a_split_is_a_folder_by_its_usual_names(names: tuple[str, str], classifier: Classifier, tmp_path: Path) -> None:
    for count, name in enumerate(names, 2):
        labelled(SMALL_VIT, tmp_path / name, count)
    found = samples_of(tmp_path, classifier)
    assert (found.split, found.count) == ("test", 3)


def test_a_folder_of_parquet_files_is_a_data_set(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = labelled(SMALL_VIT, tmp_path / "files", 6)
    for split in ("train", "test"):
        rows(folder, "image").to_parquet(tmp_path / "parquet" / f"{split}.parquet")
    found, of_files = samples_of(tmp_path / "parquet", classifier), samples_of(folder, classifier)
    assert (found.split, found.count) == ("test", 6)
    assert np.array_equal(found.labels, of_files.labels)  # pyright: ignore
    assert np.array_equal(found.read(3), of_files.read(3))
    assert samples_of(tmp_path / "parquet", classifier, split="train[:2]").count == 2
    with pytest.raises(ToMeValueError, match="name of a data set on the hub"):
        samples_of(tmp_path / "parquet", classifier, split="nowhere")
