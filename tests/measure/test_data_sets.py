"""What can be evaluated on: folders and data sets of images, sounds and clips, with one label, several or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from cases import CLASSES
from own_data import BY_MODALITY, labelled, rows, saved, two_classes
from sklearn.metrics import average_precision_score

from hf_tome import ToMeError, apply_tome
from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.folder import files_below
from hf_tome.data.rows import InMemory
from hf_tome.data.samples import samples_of
from hf_tome.measure.sweep import sweep
from hf_tome.train.files import LabelledFiles, load_files

COUNT = 5


def logits_of(classifier: Classifier, files: list[Path]) -> np.ndarray:
    """Of the merged model, one file at a time."""
    model: Any = apply_tome(load_classifier(classifier.model.config._name_or_path).model, r=4)  # pyright: ignore
    with torch.no_grad():
        return torch.cat([model(**classifier.inputs([classifier.read(path)])).logits for path in files]).numpy()


@pytest.mark.parametrize("modality", BY_MODALITY)
def test_a_folder_and_a_data_set_give_the_same(modality: str, tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(BY_MODALITY[modality], tmp_path / "model")))
    folder = labelled(BY_MODALITY[modality], tmp_path / "data" / "test", COUNT).parent
    labelled(BY_MODALITY[modality], tmp_path / "data" / "train", 1)
    files = files_below(folder / "test", modality)
    of_folder = sweep(classifier, folder, [4], batch_size=2, progress=False)
    of_rows = sweep(classifier, rows(folder / "test", modality), [4], batch_size=2, progress=False, workers=1)
    right = logits_of(classifier, files).argmax(1) == [int(path.parent.name[-1]) for path in files]
    for report in (of_folder, of_rows):
        assert (report.samples, report.metric) == (COUNT, "accuracy")
        assert report.rows[1].metric == right.mean()
        assert report.rows[1].kl == pytest.approx(of_folder.rows[1].kl, rel=1e-4)
    assert (of_folder.source, of_folder.split) == (f"{modality}folder", "test")


def test_several_labels_of_sounds(tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(BY_MODALITY["audio"], tmp_path / "model")))
    folder = labelled(BY_MODALITY["audio"], tmp_path / "data", COUNT, two_classes)
    files = files_below(folder, "audio")
    labels = np.array([[f"class {kind}" in path.parent.name for kind in range(CLASSES)] for path in files])
    report = sweep(classifier, folder, [4], progress=False)
    kept = labels.any(0)
    expected = average_precision_score(labels[:, kept], logits_of(classifier, files)[:, kept])
    assert report.rows[1].metric == pytest.approx(expected, abs=1e-12)
    names = [f"class {number}" for number in range(CLASSES)]
    several = datasets.Dataset.from_dict(
        {"sound": [{"array": classifier.read(path), "sampling_rate": 16000} for path in files],
         "labels": [np.flatnonzero(row).tolist() for row in labels]},
    ).cast_column("labels", datasets.Sequence(datasets.ClassLabel(names=names)))  # fmt: skip
    assert sweep(classifier, several, [4], media_column="sound", progress=False).rows[1].metric == report.rows[1].metric


@pytest.mark.parametrize("modality", BY_MODALITY)
def test_inputs_that_a_transform_makes_need_no_processor(modality: str, tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(BY_MODALITY[modality], tmp_path / "model")))
    plain = rows(labelled(BY_MODALITY[modality], tmp_path / "data", 8), modality)

    def inputs(batch: dict[str, Any]) -> dict[str, Any]:
        media = [classifier.read(InMemory(each["bytes"], each["path"])) for each in batch["medium"]]
        return dict(classifier.inputs(media))

    given, options = plain.with_transform(inputs), {"batch_size": 4, "progress": False}
    found = sweep(replace(classifier, processor=None), given, [4], **options).rows[1]
    usual = sweep(classifier, plain, [4], **options).rows[1]
    assert (found.metric, found.kl) == (usual.metric, usual.kl)
    train, held_out, _ = load_files(given, modality, validation_fraction=0.5)
    for part in (train, held_out):
        item = LabelledFiles(part, lambda *_: {}, CLASSES)[0]
        assert item.pop("labels") == part.labels[0][0]
        assert item.keys() == part.files[0].keys()
        assert all(item[name].equal(part.files[0][name]) for name in item)


def test_a_part_of_a_data_set_that_is_sorted_has_all_classes(tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(BY_MODALITY["image"], tmp_path / "model")))
    data = rows(labelled(BY_MODALITY["image"], tmp_path / "data", 30), "image").sort("label")
    part = samples_of(data, classifier, limit=12)
    assert part.count == 12
    assert len(set(part.labels.tolist())) > 3  # pyright: ignore
    assert part.fingerprint == samples_of(data, classifier, limit=12).fingerprint


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    classifier = load_classifier(str(saved(BY_MODALITY["image"], tmp_path / "model")))
    data = rows(labelled(BY_MODALITY["image"], tmp_path / "data", 3), "image")
    for wrong, said in (
        ("no/such", "the name of a data set on the hub"),
        (5, "Load the data set with `datasets`"),
        (data.remove_columns("medium"), "media_column"),
        (data.select([]), "0 rows"),
        (data.cast_column("label", datasets.Value("int64")).map(lambda row: {"label": 9}), "0 to 4. Got: 9"),
        (data.cast_column("label", datasets.Value("string")).map(lambda row: {"label": "cat"}), "cat"),
    ):
        with pytest.raises(ToMeError, match=said):
            samples_of(wrong, classifier)
    empty = samples_of(data.map(lambda row: {"medium": None}), classifier)
    with pytest.raises(ToMeError, match="none in row 0"):
        empty.read(0)
