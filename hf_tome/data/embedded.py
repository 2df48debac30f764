"""The trained models and the test data inside the package: all of hf_tome can be tried without a network."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import ViTForImageClassification, ViTImageProcessorPil

ASSETS = Path(__file__).parents[1] / "assets"
VIT = str(ASSETS / "vit-fashion-mnist")
AST = str(ASSETS / "ast-drums")  # which drum is struck; 173 tokens
VIDEOMAE = str(ASSETS / "videomae-sprites")  # which way a picture moves; 512 tokens
SOUNDS = ASSETS / "drums"  # CLASS/NAME.flac, of kits that the AST was not trained on
CLIPS = ASSETS / "sprites"  # CLASS/NUMBER.mp4, of pictures that the VideoMAE was not trained on
NAMES = {VIT: "embedded ViT (clothes)", AST: "embedded AST (drum sounds)", VIDEOMAE: "embedded VideoMAE (motions)"}
CLASSES = (  # of Fashion-MNIST, which the ViT was trained on
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def embedded_vit() -> ViTForImageClassification:
    """A ViT trained on Fashion-MNIST: 28x28 pixels, patch 2, 197 tokens, 8 layers. In float32, in eval mode.

    `VIT` is its folder, for `from_pretrained` and `pipeline`.
    """
    return ViTForImageClassification.from_pretrained(VIT, dtype=torch.float32).eval()  # pyright: ignore


def embedded_processor() -> ViTImageProcessorPil:
    """The image processor of `embedded_vit`."""
    return ViTImageProcessorPil.from_pretrained(VIT)


def embedded_images() -> tuple[list[Image.Image], np.ndarray]:
    """The first 1,000 images of Fashion-MNIST's test split, as RGB pictures of 28x28, and their labels (1000,)."""
    images = read_idx(ASSETS / "fashion-mnist-test-1000-images-idx3-ubyte.gz")
    labels = read_idx(ASSETS / "fashion-mnist-test-1000-labels-idx1-ubyte.gz")
    return [Image.fromarray(image).convert("RGB") for image in images], labels.astype(np.int64)


def read_idx(path: Path | str) -> np.ndarray:
    """A gzipped IDX file of bytes, as Fashion-MNIST is published: images (n, height, width) or labels (n,), uint8."""
    with gzip.open(path, "rb") as file:
        raw = file.read()
    dims = raw[3]
    shape = np.frombuffer(raw, ">u4", dims, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)
