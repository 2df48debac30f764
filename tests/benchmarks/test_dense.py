"""The photos of the dense benchmark: their outlines are true, and they are the same every time."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("dense_scenes")


def test_the_mask_is_the_animal(scenes: Any, tmp_path: Path) -> None:
    for name in scenes.GROUNDS:
        Image.new("L", (300, 200), 90).save(tmp_path / name)
    animals = tmp_path / "animals" / "birds"
    (animals / "cartoon").mkdir(parents=True)
    stamp = Image.new("RGBA", (200, 160), (255, 0, 0, 0))
    ImageDraw.Draw(stamp).ellipse((0, 0, 199, 159), fill=(255, 0, 0, 255))
    for place in ("a.png", "b.png", "cartoon/c.png"):
        stamp.save(animals / place)
    stamp.resize((100, 80)).save(animals / "small.png")
    found = scenes.animal_scenes(tmp_path, tmp_path, 112)
    assert len(found) == 2
    for scene in found:
        pixels = np.asarray(scene.image).astype(int)
        assert pixels.shape == (112, 112, 3)
        assert abs(scene.mask.mean() - np.pi / 4 * 0.7 * 0.7 * 0.8) < 0.01  # an ellipse of 0.7 by 0.56 sides
        assert ((pixels[..., 0] > 172) == scene.mask).mean() > 0.995
    assert not np.array_equal(found[0].mask, found[1].mask)
    again = scenes.animal_scenes(tmp_path, tmp_path, 112)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, again, strict=True))
