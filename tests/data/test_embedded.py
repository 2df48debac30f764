"""The model and images inside the package: small enough, and really trained."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import pipeline

from hf_tome import apply_tome
from hf_tome.data.embedded import (
    ASSETS,
    AST,
    CLASSES,
    CLIPS,
    SOUNDS,
    VIDEOMAE,
    VIT,
    embedded_images,
    embedded_processor,
    embedded_vit,
    read_idx,
)
from hf_tome.data.subject import embedded_subject


@pytest.mark.parametrize("folder", [VIT, AST, VIDEOMAE])
def test_weights_are_small(folder):
    weights = Path(folder, "model.safetensors")
    assert weights.stat().st_size <= 3_000_000
    with safe_open(weights, "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118


def test_data_is_small():
    assert sum(path.stat().st_size for path in ASSETS.glob("*.gz")) <= 700_000
    for folder in (SOUNDS, CLIPS):
        files = [path for path in folder.rglob("*.*") if path.is_file()]
        assert 24 <= len(files) <= 60
        assert sum(path.stat().st_size for path in files) <= 1_000_000


@pytest.mark.parametrize(("modality", "least", "r"), [("audio", 0.7, 17), ("video", 0.9, 51)])
def test_sounds_and_clips(modality, least, r):
    subject = embedded_subject(modality)
    inputs, labels = subject.inputs(subject.samples.count), torch.as_tensor(subject.samples.labels)
    with torch.inference_mode():
        plain = (subject.model(**inputs).logits.argmax(-1) == labels).float().mean()
        merged = (apply_tome(subject.model, r=r)(**inputs).logits.argmax(-1) == labels).float().mean()
    assert plain >= least
    assert merged >= plain - 0.06


def test_images_are_the_official_ones():
    images, labels = embedded_images()
    assert len(images) == len(labels) == 1000
    assert np.bincount(labels).min() > 80
    assert images[0].size == (28, 28)
    assert labels[:5].tolist() == [9, 2, 1, 1, 6]  # as everybody who has opened this test set knows them


def test_accuracy_with_and_without_merging():
    images, labels = embedded_images()
    model, processor = embedded_vit(), embedded_processor()
    inputs = processor(images[:120], return_tensors="pt")
    with torch.inference_mode():
        plain = (model(**inputs).logits.argmax(-1).numpy() == labels[:120]).mean()
        merged = (apply_tome(model, r=8)(**inputs).logits.argmax(-1).numpy() == labels[:120]).mean()
    assert plain >= 0.85
    assert merged >= plain - 0.03


def test_pipeline():
    images, labels = embedded_images()
    pipe = pipeline("image-classification", VIT)
    apply_tome(pipe.model, r=8)
    answers = pipe(images[:20])
    right = sum(answer[0]["label"] == CLASSES[label] for answer, label in zip(answers, labels[:20], strict=True))
    assert right >= 17


def test_broken_idx(tmp_path):
    (tmp_path / "x.gz").write_bytes(b"not gzip")
    with pytest.raises(OSError, match="gzip"):
        read_idx(tmp_path / "x.gz")
