"""Every form of data, in every modality, for everything that reads data: each sample has the class of its content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from own_data import BY_MODALITY, saved
from PIL import Image
from recordings import tone, write_clip, write_sound

from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.samples import samples_alone, samples_of
from hf_tome.data.subject import own_subject
from hf_tome.measure.tasks import task_of
from hf_tome.train.files import load_files
from hf_tome.tune.report import drawn

COUNT = 12
NAMES = ["class 2", "class 0", "class 1"]  # in another order than the model's
SUFFIXES = {"image": ".png", "audio": ".wav", "video": ".mp4"}
FEATURES = {"image": datasets.Image, "audio": datasets.Audio, "video": datasets.Video}
Table = list[dict[str, Any]]


def kind_of(medium: Any) -> int:
    """The class that a medium was made for: its brightness, or its pitch."""
    values = np.asarray(medium)
    if values.ndim == 1:
        return round(np.abs(np.fft.rfft(values)).argmax() * 16000 / len(values) / 500) - 1
    return round(values.mean() / 60) - 1


def write(path: Path, modality: str, kind: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if modality == "audio":
        write_sound(path, tone(0.1, 16000, 500.0 * (kind + 1)), 16000)
    elif modality == "video":
        write_clip(path, [60 * (kind + 1)] * 3)
    else:
        Image.new("RGB", (9, 9), (60 * (kind + 1),) * 3).save(path)


def files(folder: Path, modality: str, name: str = "{kind}/{number}") -> Table:
    """Files of three classes, and a row for each."""
    table = []
    for number in range(COUNT):
        kind = f"class {number % 3}"
        path = folder / (name.format(kind=kind, number=number) + SUFFIXES[modality])
        write(path, modality, number % 3)
        table.append({"file_name": path.relative_to(folder).as_posix(), "label": kind})
    return table


def rows(folder: Path, modality: str) -> datasets.Dataset:
    """The same as a data set that holds the files."""
    table = files(folder, modality, "{number}")
    feature = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    stored = datasets.Dataset.from_dict(
        {
            "medium": [{"bytes": (folder / row["file_name"]).read_bytes(), "path": row["file_name"]} for row in table],
            "label": [NAMES.index(row["label"]) for row in table],
        },
        features=datasets.Features({"medium": feature, "label": datasets.ClassLabel(names=NAMES)}),
    )
    return stored.cast_column("medium", FEATURES[modality](decode=False))


def class_folders(folder: Path, modality: str) -> Any:
    files(folder, modality)
    return folder


def split_folders(folder: Path, modality: str) -> Any:
    for split in ("train", "test"):
        files(folder / split, modality)
    return str(folder)


def metadata_csv(folder: Path, modality: str) -> Any:
    table = files(folder, modality, "{number}")
    lines = [f"{row['file_name']},{row['label']}" for row in table]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    return folder


def metadata_jsonl(folder: Path, modality: str) -> Any:
    table = files(folder, modality, "{number}")
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps({**row, "label": [row["label"]]}) for row in table))
    return folder


def metadata_parquet(folder: Path, modality: str) -> Any:
    datasets.Dataset.from_list(files(folder, modality, "{number}")).to_parquet(folder / "metadata.parquet")
    return folder


def metadata_beside_splits(folder: Path, modality: str) -> Any:
    tables = {split: files(folder / split, modality, "{number}") for split in ("train", "test")}
    lines = [f"{split}/{row['file_name']},{row['label']}" for split, table in tables.items() for row in table]
    (folder / "metadata.csv").write_text("\n".join(["file_name,label", *lines]))
    return folder


def parquet_folder(folder: Path, modality: str) -> Any:
    rows(folder / "files", modality).to_parquet(folder / "data" / "train-00000-of-00001.parquet")
    shutil.rmtree(folder / "files")
    return folder


def saved_dataset(folder: Path, modality: str) -> Any:
    rows(folder / "files", modality).save_to_disk(folder / "saved")
    return folder / "saved"


def saved_dict(folder: Path, modality: str) -> Any:
    divided(folder / "files", modality).save_to_disk(folder / "saved")
    return str(folder / "saved")


def divided(folder: Path, modality: str) -> Any:
    return datasets.DatasetDict({split: rows(folder / split, modality) for split in ("train", "validation")})


def streamed(folder: Path, modality: str) -> Any:
    return rows(folder, modality).to_iterable_dataset()


def streamed_dict(folder: Path, modality: str) -> Any:
    return datasets.IterableDatasetDict({"train": streamed(folder, modality)})


def transformed(folder: Path, modality: str) -> Any:
    return rows(folder, modality).with_transform(lambda batch: {"medium": batch["medium"]})


def as_tensors(folder: Path, modality: str) -> Any:
    return rows(folder, modality).with_format("torch")


FORMS: list[Callable[[Path, str], Any]] = [
    class_folders, split_folders, metadata_csv, metadata_jsonl, metadata_parquet, metadata_beside_splits,
    parquet_folder, saved_dataset, saved_dict, rows, divided, streamed, streamed_dict, transformed, as_tensors,
]  # fmt: skip


def by_eval(classifier: Classifier, data: Any) -> list[tuple[Any, int]]:
    samples = task_of(classifier, data, limit=9).samples
    assert samples.count == 9
    return [(samples.read(number), label) for number, label in enumerate(samples.labels.tolist())]  # pyright: ignore


def by_tune(classifier: Classifier, data: Any) -> list[tuple[Any, int]]:
    samples = samples_of(data, classifier)
    (batch,), held_out = drawn(classifier, samples, 6, 6)
    assert len(held_out[0]["labels"]) == 6
    expected = [classifier.inputs([samples.read(number)]) for number in range(COUNT)]
    name = next(iter(expected[0]))
    found = [next(n for n in range(COUNT) if each.equal(expected[n][name][0])) for each in batch[name]]
    return [(samples.read(n), label) for n, label in zip(found, batch["labels"].tolist(), strict=True)]


def by_study(classifier: Classifier, data: Any) -> list[tuple[Any, int]]:
    samples = own_subject(classifier.model.config._name_or_path, data).samples  # pyright: ignore
    return [(samples.read(number), label) for number, label in enumerate(samples.labels.tolist())]  # pyright: ignore


def by_embed(classifier: Classifier, data: Any) -> list[tuple[Any, int]]:
    samples = samples_alone(data, classifier)
    names = [each if isinstance(each, str) else each[0] for each in samples.said]
    return [(samples.read(number), int(name[-1])) for number, name in enumerate(names)]


def by_train(classifier: Classifier, data: Any) -> list[tuple[Any, int]]:
    train, held_out, names = load_files(data, classifier.modality, validation_fraction=0.25)
    assert len(held_out) == (COUNT if len(train) == COUNT else 3)
    assert len(train) + len(held_out) in (COUNT, 2 * COUNT)
    return [
        (classifier.read(part.files[number]), int(names[row[0]][-1]))
        for part in (train, held_out)
        for number, row in enumerate(part.labels)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """The data of a form and modality, and a classifier, each made once."""
    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("cache")

    @cache
    def make(what: Any, modality: str) -> Any:
        folder = tmp_path_factory.mktemp("made")
        if what == "classifier":
            return load_classifier(str(saved(BY_MODALITY[modality], folder)))
        return what(folder, modality)

    return make


@pytest.mark.parametrize("reader", [by_eval, by_tune, by_study, by_embed, by_train], ids=lambda each: each.__name__)
@pytest.mark.parametrize("form", FORMS, ids=lambda each: each.__name__)
@pytest.mark.parametrize(
    "modality", ["image", *(pytest.param(each, marks=pytest.mark.slow) for each in ("audio", "video"))]
)
def test_labels_are_those_of_the_content(
    modality: str, form: Callable[..., Any], reader: Callable[..., Any], made: Callable[..., Any]
) -> None:
    read = reader(made("classifier", modality), made(form, modality))
    assert {label for _, label in read} == {0, 1, 2}
    assert [kind_of(medium) for medium, _ in read] == [label for _, label in read]
