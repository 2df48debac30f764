"""The model and images inside the package: small enough, and really trained."""

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import pipeline

from hf_tome import apply_tome
from hf_tome.embedded import ASSETS, VIT, embedded_images, embedded_processor, embedded_vit
from hf_tome.fashion import CLASSES, read_idx


def test_sizes_on_disk():
    assert (ASSETS / "vit-fashion-mnist/model.safetensors").stat().st_size <= 4_000_000
    assert sum(path.stat().st_size for path in ASSETS.glob("*.gz")) <= 700_000
    with safe_open(ASSETS / "vit-fashion-mnist/model.safetensors", "pt") as file:
        assert {file.get_tensor(key).dtype for key in file.keys()} == {torch.float16}  # noqa: SIM118


def test_images_are_the_official_ones():
    images, labels = embedded_images()
    assert len(images) == len(labels) == 1000
    assert np.bincount(labels).min() > 80
    assert images[0].size == (28, 28)
    assert labels[:5].tolist() == [9, 2, 1, 1, 6]  # as everybody who has opened this test set knows them


def test_accuracy_with_and_without_merging():
    images, labels = embedded_images()
    model, processor = embedded_vit(), embedded_processor()
    inputs = processor(images[:500], return_tensors="pt")
    with torch.inference_mode():
        plain = (model(**inputs).logits.argmax(-1).numpy() == labels[:500]).mean()
        merged = (apply_tome(model, r=8)(**inputs).logits.argmax(-1).numpy() == labels[:500]).mean()
    assert plain >= 0.9
    assert merged >= plain - 0.02


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
