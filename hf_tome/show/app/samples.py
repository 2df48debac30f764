"""Files to try the page with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import AutoConfig

from hf_tome.data.embedded import CLIPS, SOUNDS, VIT, embedded_images
from hf_tome.data.labels import plain_name


def samples(folder: Path) -> dict[str, dict[str, Path]]:
    """One of each class, by kind and class: images are written to `folder`, the others lie in the package."""
    pictures, labels = embedded_images()
    config: Any = AutoConfig.from_pretrained(VIT)
    images = {}
    for number, picture in zip(labels.tolist(), pictures, strict=True):
        name = str(config.id2label[number])
        if name not in images:
            images[name] = folder / f"{plain_name(name)}.png"
            picture.save(images[name])
    return {"image": images, "audio": _firsts(SOUNDS), "video": _firsts(CLIPS)}


def _firsts(folder: Path) -> dict[str, Path]:
    """The first file in each subfolder."""
    return {each.name: min(each.iterdir()) for each in sorted(folder.iterdir()) if each.is_dir()}
