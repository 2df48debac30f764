"""The photos of the dense benchmark: their outlines are true, and they are the same every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.recorded.dense_scenes import GROUNDS, animal_scenes


def test_the_mask_is_the_animal(tmp_path: Path) -> None:
    for name in GROUNDS:
        Image.new("L", (300, 200), 90).save(tmp_path / name)
    animals = tmp_path / "animals" / "birds"
    (animals / "cartoon").mkdir(parents=True)
    stamp = Image.new("RGBA", (200, 160), (255, 0, 0, 0))
    ImageDraw.Draw(stamp).ellipse((0, 0, 199, 159), fill=(255, 0, 0, 255))
    for place in ("a.png", "b.png", "cartoon/c.png"):
        stamp.save(animals / place)
    stamp.resize((100, 80)).save(animals / "small.png")
    found = animal_scenes(tmp_path, tmp_path, 112)
    assert len(found) == 2
    for scene in found:
        pixels = np.asarray(scene.image).astype(int)
        assert pixels.shape == (112, 112, 3)
        assert abs(scene.mask.mean() - np.pi / 4 * 0.7 * 0.7 * 0.8) < 0.01  # an ellipse of 0.7 by 0.56 sides
        assert ((pixels[..., 0] > 172) == scene.mask).mean() > 0.995
    assert not np.array_equal(found[0].mask, found[1].mask)
    again = animal_scenes(tmp_path, tmp_path, 112)
    assert all(np.array_equal(one.image, other.image) for one, other in zip(found, again, strict=True))
