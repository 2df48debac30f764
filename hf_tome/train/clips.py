"""Clips for a video model: frames over the whole video, at chance in training, in several views for evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hf_tome.data.clip import read_clip


class Clips:
    """Reads a video file as the model's input: `LabelledFiles` calls it.

    In training the frames are taken at a random place of each part, from a random square. For evaluation view v of
    `clips * crops` takes clip v // crops, and of that the crop v % crops, as in the protocol of the video papers
    (5 clips x 3 crops in VideoMAE).

    Args:
        processor: a VideoMAEImageProcessor, or one like it.
        frames: how many the model takes.
        clips: views that differ in their frames.
        crops: views that differ in their square: along the longer side, from one end to the other.
    """

    def __init__(self, processor: Any, frames: int, clips: int = 1, crops: int = 1) -> None:
        self.processor, self.frames, self.clips, self.crops = processor, frames, clips, crops

    @property
    def views(self) -> int:
        """Inputs of one video."""
        return self.clips * self.crops

    def __call__(self, path: Path, chance: np.random.Generator | None, view: int = 0) -> dict[str, Tensor]:
        clip, crop = divmod(view, self.crops)
        place = (clip + 0.5) / self.clips if chance is None else float(chance.random())
        pictures = read_clip(path, self.frames, place)
        if chance is not None:
            pictures = random_square(pictures, chance)
        elif self.crops > 1:
            pictures = square(pictures, crop / (self.crops - 1))
        return {"pixel_values": self.processor(list(pictures), return_tensors="pt")["pixel_values"][0]}


def square(pictures: np.ndarray, place: float) -> np.ndarray:
    """The largest square, (frames, side, side, 3); `place` runs from 0 to 1 along the longer side."""
    height, width = pictures.shape[1:3]
    side = min(height, width)
    top, left = round(place * (height - side)), round(place * (width - side))
    return pictures[:, top : top + side, left : left + side]


def random_square(pictures: np.ndarray, chance: np.random.Generator, least: float = 0.8) -> np.ndarray:
    """A square of at least `least` of the shorter side, anywhere; the same in every frame. Nothing is mirrored."""
    height, width = pictures.shape[1:3]
    side = max(1, round(min(height, width) * chance.uniform(least, 1)))
    top, left = int(chance.integers(height - side + 1)), int(chance.integers(width - side + 1))
    return pictures[:, top : top + side, left : left + side]


def average(scores: np.ndarray, views: int) -> np.ndarray:
    """Mean scores of each video, (videos, classes), from those of its views, which follow each other."""
    return torch.as_tensor(scores).view(-1, views, scores.shape[-1]).mean(1).numpy()
