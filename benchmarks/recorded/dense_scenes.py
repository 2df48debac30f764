"""Photos for the dense benchmark: cut-out animals on ground, with their true outline, and pictures to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from transformers import ViTImageProcessorPil

MEAN, SPREAD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of ImageNet, that the model was trained with
GROUNDS = ("grass.png", "gravel.png", "brick.png")  # photographs that scikit-image ships
LOOKED_AT = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")  # public domain or CC0, of scikit-image too
SMALLEST = 150  # pixels on the shorter side of a stamp
FILLS = 0.7  # of the scene's side, the longer side of its animal


@dataclass(frozen=True)
class Scene:
    """A photo with an animal, and which of its pixels are the animal.

    Attributes:
        image: square.
        mask: bool (side, side).
    """

    image: Image.Image
    mask: np.ndarray


def animal_scenes(stamps: Path, photos: Path, side: int) -> list[Scene]:
    """Each animal of Tux Paint's stamps that is a photo, somewhere on a photo of ground. The same every time."""
    return scenes(stamps / "animals", [Image.open(photos / name).convert("RGB") for name in GROUNDS], side)


def scenes(stamps: Path, grounds: list[Image.Image], side: int) -> list[Scene]:
    """Each stamp that is a photo, somewhere on one of the grounds by turns. The same every time."""
    chance, found = np.random.default_rng(0), []
    for file in sorted(stamps.rglob("*.png")):
        with Image.open(file) as stamp:
            if "cartoon" in file.parts or "A" not in stamp.getbands() or min(stamp.size) < SMALLEST:
                continue
            cut_out = stamp.convert("RGBA")
        found.append(_scene(cut_out, grounds[len(found) % len(grounds)], side, chance))
    return found


def _scene(animal: Image.Image, ground: Image.Image, side: int, chance: np.random.Generator) -> Scene:
    scale = FILLS * side / max(animal.size)
    animal = animal.resize((round(animal.width * scale), round(animal.height * scale)))
    left, top = (int(chance.integers(0, side - length + 1)) for length in animal.size)
    x, y = (int(chance.integers(0, max(1, length - side + 1))) for length in ground.size)
    image = ground.crop((x, y, x + side, y + side))
    image.paste(animal, (left, top), animal)
    mask = np.zeros((side, side), dtype=bool)
    mask[top : top + animal.height, left : left + animal.width] = np.asarray(animal)[..., 3] > 127
    return Scene(image, mask)


def photos_to_look_at(photos: Path, side: int) -> list[Image.Image]:
    """Some photos that scikit-image ships."""
    return [squared(photos / name, side) for name in LOOKED_AT]


def squared(file: Path, side: int) -> Image.Image:
    """The middle square of a photo."""
    with Image.open(file) as opened:
        photo = opened.convert("RGB")
    length = min(photo.size)
    left, top = (photo.width - length) // 2, (photo.height - length) // 2
    return photo.crop((left, top, left + length, top + length)).resize((side, side))


def photo_processor(side: int) -> ViTImageProcessorPil:
    """What feeds the pretrained ViT."""
    return ViTImageProcessorPil(size={"height": side, "width": side}, image_mean=MEAN, image_std=SPREAD)
