"""Labelled images of a folder or of the hub, as a Trainer takes them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.train.columns import has_columns, load_columns
from hf_tome.train.drawn import Drawn


class LabelledImages(Drawn):
    """Rows of an image and a label, decoded and processed when they are asked for.

    Args:
        rows: a sequence of {"image": PIL image or {"bytes", "path"}, "label": int}.
        processor: an image processor of transformers.
        seed: with one, each image is cropped to 60-100 % of its area and flipped at random, as in `Drawn`. None: left
            alone.
    """

    def __init__(self, rows: Sequence[Any], processor: Callable[..., Any], seed: int | None = None) -> None:
        super().__init__(seed)
        self.rows, self.processor = rows, processor

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """`pixel_values` (channels, height, width) and `labels`.

        Raises:
            ToMeValueError: if the image cannot be read; names its file.
        """
        row = self.rows[index]
        image = _decoded(row["image"], index)
        if (chance := self.chance(index)) is not None:
            image = _varied(image, chance)
        pixels = self.processor(image, return_tensors="pt")["pixel_values"][0]
        return {"pixel_values": pixels, "labels": torch.tensor(row["label"])}


def load_images(name: str, seed: int = 0, label_column: str | None = None) -> tuple[Any, Any, list[str]]:
    """Rows to train on, rows to evaluate on, and the names of the classes, from a folder or a data set of the hub.

    Without a split for evaluation, a tenth of the training rows is set apart, drawn by `seed`. `label_column` is as in
    `load_columns`.

    Raises:
        ToMeValueError: if there is no such data set, or it holds no images with classes.
    """
    where = {"name": name} if has_columns(name) else {"name": "imagefolder", "data_dir": name}
    train, evaluation, labels = load_columns(**where, modality="image", label_column=label_column)
    if evaluation is None:
        parts = train.train_test_split(0.1, seed=seed)
        train, evaluation = parts["train"], parts["test"]
    return train, evaluation, labels


def _decoded(image: Any, index: int) -> Image.Image:
    if isinstance(image, Image.Image):
        return image.convert("RGB")
    try:
        return Image.open(io.BytesIO(image["bytes"]) if image["bytes"] else image["path"]).convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:  # what pillow's decoders raise
        name = image["path"] or f"row {index}"
        rule = "Every image of a data set must be one that pillow can read."
        raise ToMeValueError(complaint(rule, str(name), f"Remove or replace it: {error}")) from error


def _varied(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """A random part of the image, perhaps mirrored."""
    share = random.uniform(0.6, 1.0) ** 0.5
    width, height = (max(1, round(side * share)) for side in image.size)
    left, top = random.integers(image.width - width + 1), random.integers(image.height - height + 1)
    part = image.crop((int(left), int(top), int(left) + width, int(top) + height))
    return ImageOps.mirror(part) if random.random() < 0.5 else part
