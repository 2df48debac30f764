"""Scenes to ask about: clothes and a printed number in the quarters of an image, with questions and their answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from hf_tome.data.embedded import CLASSES, read_idx

SIDE, QUARTER, ITEM, DIGITS = 140, 70, 56, 3  # pixels; figures of a number
PLACES = ("top-left", "top-right", "bottom-left", "bottom-right")
IMAGE = "<image>"
WORDS = ("<pad>", "<s>", "</s>", IMAGE, "what", "read", *PLACES, "number", *CLASSES, "nothing", *"0123456789")
ID = {word: number for number, word in enumerate(WORDS)}
NOTHING, NUMBER = "nothing", "number"


@dataclass(frozen=True)
class Scene:
    """An image, and what is in its quarters.

    Attributes:
        pixels: (140, 140, 3) uint8.
        contents: a class of clothes, "nothing" or "number" for each of `PLACES`.
        number: its three figures.
    """

    pixels: np.ndarray
    contents: tuple[str, ...]
    number: str

    def turns(self) -> list[tuple[list[int], list[int]]]:
        """Ids of all questions with those of their answers: what is in each quarter, and what the number is."""
        asked = [([ID["what"], ID[place]], [ID[what]]) for place, what in zip(PLACES, self.contents, strict=True)]
        return [*asked, ([ID["read"], ID[NUMBER]], [ID[figure] for figure in self.number])]


def scenes(folder: Path, split: str, count: int) -> list[Scene]:
    """The same each time; "train" and "t10k" have other clothes."""
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz")
    chance = np.random.default_rng(0 if split == "train" else 1)
    return [_scene(images, labels, chance) for _ in range(count)]


def _scene(images: np.ndarray, labels: np.ndarray, chance: np.random.Generator) -> Scene:
    """One quarter has the number. The others have clothes, or now and then nothing."""
    ground = chance.integers(20, 110, size=3)[None, None] + chance.normal(0, 6, size=(SIDE, SIDE, 1))
    canvas = Image.fromarray(ground.clip(0, 255).astype(np.uint8))
    contents = [NOTHING] * len(PLACES)
    written = int(chance.integers(len(PLACES)))
    number = "".join(map(str, chance.integers(10, size=DIGITS)))
    for place in range(len(PLACES)):
        left, top = QUARTER * (place % 2), QUARTER * (place // 2)
        colour = tuple(int(level) for level in chance.integers(170, 256, size=3))
        if place == written:
            contents[place] = NUMBER
            font = ImageFont.load_default(size=int(chance.integers(22, 29)))
            at = left + int(chance.integers(4, 14)), top + int(chance.integers(6, 34))
            ImageDraw.Draw(canvas).text(at, number, fill=colour, font=font)
        elif chance.random() < 0.85:
            chosen = int(chance.integers(len(images)))
            contents[place] = CLASSES[int(labels[chosen])]
            item = Image.fromarray(images[chosen]).resize((ITEM, ITEM))
            at = left + int(chance.integers(QUARTER - ITEM + 1)), top + int(chance.integers(QUARTER - ITEM + 1))
            canvas.paste(Image.new("RGB", item.size, colour), at, item)
    return Scene(np.asarray(canvas), tuple(contents), number)


def pixels_of(shown: list[Scene], side: int) -> Tensor:
    """Pixel values (scenes, 3, side, side), made smaller from whole scenes."""
    mean, spread = (torch.tensor(each).view(3, 1, 1) for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    images = [np.asarray(Image.fromarray(scene.pixels).resize((side, side), Image.Resampling.BOX)) for scene in shown]
    return (torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255 - mean) / spread
