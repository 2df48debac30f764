"""RandAugment (arXiv 1909.13719) on Pillow: two changes of an image, drawn at random, of one strength."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

CHANGES = 2
GREY = (128, 128, 128)  # where a turned or shifted image leaves nothing

Change = Callable[[Image.Image, float], Image.Image]  # of an RGB image, by a share in [-1, 1]


def _affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=GREY)


OPERATIONS: dict[str, Change] = {
    "identity": lambda image, share: image,
    "autocontrast": lambda image, share: ImageOps.autocontrast(image),
    "equalize": lambda image, share: ImageOps.equalize(image),
    "rotate": lambda image, share: image.rotate(30 * share, Image.Resampling.BILINEAR, fillcolor=GREY),
    "posterize": lambda image, share: ImageOps.posterize(image, 8 - round(4 * abs(share))),
    "solarize": lambda image, share: ImageOps.solarize(image, 256 - round(256 * abs(share))),
    "colour": lambda image, share: ImageEnhance.Color(image).enhance(1 + 0.9 * share),
    "contrast": lambda image, share: ImageEnhance.Contrast(image).enhance(1 + 0.9 * share),
    "brightness": lambda image, share: ImageEnhance.Brightness(image).enhance(1 + 0.9 * share),
    "sharpness": lambda image, share: ImageEnhance.Sharpness(image).enhance(1 + 0.9 * share),
    "shear across": lambda image, share: _affine(image, 1, 0.3 * share, 0, 0, 1, 0),
    "shear down": lambda image, share: _affine(image, 1, 0, 0, 0.3 * share, 1, 0),
    "shift across": lambda image, share: _affine(image, 1, 0, 0.45 * share * image.width, 0, 1, 0),
    "shift down": lambda image, share: _affine(image, 1, 0, 0, 0, 1, 0.45 * share * image.height),
}


def rand_augment(image: Image.Image, strength: int, chance: np.random.Generator) -> Image.Image:
    """A copy with `CHANGES` operations, each of `strength` (0 to 10) in a direction drawn at random."""
    for number in chance.integers(len(OPERATIONS), size=CHANGES):
        share = strength / 10 * (1 if chance.random() < 0.5 else -1)
        image = [*OPERATIONS.values()][number](image, share)
    return image
