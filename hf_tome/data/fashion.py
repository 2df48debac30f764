"""Fashion-MNIST as its authors publish it: gzipped IDX files, ten classes."""

import gzip
from pathlib import Path

import numpy as np

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def read_idx(path: Path | str) -> np.ndarray:
    """A gzipped IDX file of bytes as a uint8 array: images (n, height, width) or labels (n,)."""
    with gzip.open(path, "rb") as file:
        raw = file.read()
    dims = raw[3]
    shape = np.frombuffer(raw, ">u4", dims, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dims).reshape(shape)
