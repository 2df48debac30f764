"""Folders of images as a training takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hf_tome.train.images import LabelledImages, load_images
from PIL import Image
from transformers import ViTImageProcessorPil

from hf_tome import ToMeValueError
from hf_tome.data.embedded import VIT, embedded_images

PROCESSOR = ViTImageProcessorPil.from_pretrained(VIT)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of ten images: one grey, one with transparency."""
    for number, image in enumerate(embedded_images()[0][:20]):
        path = tmp_path / "images" / "train" / ("boot" if number % 2 else "bag") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.convert({0: "L", 1: "RGBA"}.get(number, "RGB")).save(path)
    return tmp_path / "images"


def test_a_folder_without_a_split_is_split(folder: Path) -> None:
    train, evaluation, labels = load_images(str(folder))
    assert (len(train), len(evaluation), labels) == (18, 2, ["bag", "boot"])
    batch = [LabelledImages(train, PROCESSOR)[index] for index in range(18)]
    assert {tuple(row["pixel_values"].shape) for row in batch} == {(3, 28, 28)}
    assert {int(row["labels"]) for row in batch} == {0, 1}


def test_a_split_is_taken(folder: Path) -> None:
    (folder / "train").rename(folder / "old")
    for split in ("train", "test"):
        for kind in ("bag", "boot"):
            (folder / split / kind).mkdir(parents=True)
    for path in (folder / "old").rglob("*.png"):
        path.rename(folder / ("test" if int(path.stem) < 7 else "train") / path.parent.name / path.name)
    train, evaluation, _ = load_images(str(folder))
    assert (len(train), len(evaluation)) == (13, 7)


def test_a_broken_image_is_named(folder: Path) -> None:
    next((folder / "train" / "bag").iterdir()).write_bytes(b"no image")
    (folder / "train" / "boot" / "1.png").write_bytes((folder / "train" / "boot" / "1.png").read_bytes()[:60])
    train, evaluation, _ = load_images(str(folder))
    said = []
    for rows in (train, evaluation):
        images = LabelledImages(rows, PROCESSOR)
        for index in range(len(images)):
            try:
                images[index]
            except ToMeValueError as error:
                said.append(str(error))
    assert len(said) == 2
    assert any("bag/" in text for text in said)
    assert any("boot/1.png" in text for text in said)


@pytest.mark.parametrize("content", ["nothing", "empty", "text"])
def test_what_holds_no_classes_is_refused(content: str, tmp_path: Path) -> None:
    place = tmp_path / "data"
    if content != "nothing":
        place.mkdir()
    if content == "text":
        (place / "readme.txt").write_text("no image")
    with pytest.raises(ToMeValueError, match="FOLDER/train/CLASS"):
        load_images(str(place))


def test_variation_follows_seed_epoch_and_row() -> None:
    random = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8))
    rows = [{"image": random, "label": 0}] * 2

    def seen(seed: int, epoch: int) -> list[torch.Tensor]:
        images = LabelledImages(rows, PROCESSOR, seed)
        images.set_epoch(epoch)
        return [images[index]["pixel_values"] for index in range(2)]

    first = seen(0, 0)
    assert all(torch.equal(a, b) for a, b in zip(first, seen(0, 0), strict=True))
    assert not torch.equal(*first)
    for other in (seen(1, 0), seen(0, 1)):
        assert not torch.equal(first[0], other[0])
