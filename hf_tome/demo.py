"""The cases that `hf-tome demo` runs on: the embedded model and images, or the user's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForImageClassification

from hf_tome.api import apply_tome, remove_tome
from hf_tome.embedded import embedded_images, embedded_processor, embedded_vit
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.trace import trace_tome
from hf_tome.visualize import group_map, paint_groups, sheet

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


@dataclass
class Case:
    """A model with images to classify.

    Attributes:
        title: what it is, for people.
        model: an image classifier in eval mode.
        processor: turns pictures into the model's inputs.
        images: pictures, or paths of pictures, which are opened when their batch comes.
        labels: one class index per image, or None.
    """

    title: str
    model: nn.Module
    processor: Any
    images: list[Image.Image] | list[Path]
    labels: list[int] | None

    def batch_count(self, size: int) -> int:
        """How many batches `batches` gives."""
        return -(-len(self.images) // size)

    def batches(self, size: int) -> Iterator[tuple[dict[str, Tensor], Tensor | None]]:
        """The model's inputs and the labels (batch,), `size` images at a time."""
        for start in range(0, len(self.images), size):
            pictures = [opened(image) for image in self.images[start : start + size]]
            inputs = dict(self.processor(pictures, return_tensors="pt"))
            labels = None if self.labels is None else torch.tensor(self.labels[start : start + size])
            yield inputs, labels


def embedded_case(limit: int | None = None) -> Case:
    """The embedded ViT on the first test images of Fashion-MNIST."""
    images, labels = embedded_images()
    title = "Embedded ViT (Fashion-MNIST, 197 tokens)"
    return Case(title, embedded_vit(), embedded_processor(), images[:limit], labels[:limit].tolist())


def own_case(model: str | None, data: Path | None, limit: int | None = None) -> Case:
    """The user's own image classifier on the user's own folder of images.

    Raises:
        ToMeValueError: if one of the two is missing, the model cannot be loaded, or the folder holds no images.
        UnsupportedModelError: if the model cannot be merged.
    """
    if model is None or data is None:
        rule = "--model and --data belong together: the model's classes must fit the images."
        got = f"--model {model}" if model else f"--data {data}"
        raise ToMeValueError(complaint(rule, got, "Give both, or neither for the embedded model and images."))
    try:
        classifier = AutoModelForImageClassification.from_pretrained(model).eval()
        processor = AutoImageProcessor.from_pretrained(model)
    except (OSError, ValueError, KeyError) as error:
        rule = "--model is the hub name or the folder of an image classifier with its image processor."
        cure = "Check the name, or save both there with save_pretrained."
        raise ToMeValueError(complaint(rule, f"{model} ({str(error).splitlines()[0]})", cure)) from error
    remove_tome(apply_tome(classifier, r=0))  # refuse an unsupported model before any image is read
    images = image_files(data)[:limit]
    return Case(f"{model} on {data}", classifier, processor, images, labels_of(images, data, classifier))


def image_files(folder: Path) -> list[Path]:
    """All image files below a folder, in an order that mixes the classes and is the same every time.

    Raises:
        ToMeValueError: if there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        rule = f"--data is a folder with images ({', '.join(sorted(SUFFIXES))})."
        raise ToMeValueError(complaint(rule, str(folder), "Subfolders named as the model's classes give labels."))
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(0))
    return [files[i] for i in order]


def labels_of(files: list[Path], folder: Path, model: Any) -> list[int] | None:
    """Class indices by the name of each file's folder, or None where the names are not the model's classes."""
    known = {plain_name(str(name)): int(index) for index, name in model.config.id2label.items()}
    names = [plain_name(path.parent.name) for path in files if path.parent != folder]
    if len(names) < len(files) or not set(names) <= set(known):
        return None
    return [known[name] for name in names]


def plain_name(name: str) -> str:
    """A class name as a folder can carry it: `T-shirt/top` and `t-shirt_top` are the same."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def opened(image: Image.Image | Path) -> Image.Image:
    """The picture as RGB.

    Raises:
        ToMeValueError: if the file is no readable image.
    """
    if isinstance(image, Image.Image):
        return image
    try:
        return Image.open(image).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError) as error:
        rule = "Every image file must be readable."
        raise ToMeValueError(complaint(rule, f"{image} ({error})", "Remove or repair this file.")) from error


def check_picture(out: Path) -> None:
    """Refuse a place where no picture can be written, before any work is done.

    Raises:
        ToMeValueError: if the folder does not exist, or the name is not that of an image file.
    """
    if out.suffix.lower() not in SUFFIXES or not out.absolute().parent.is_dir():
        rule = f"--out is an image file ({', '.join(sorted(SUFFIXES))}) in a folder that exists."
        raise ToMeValueError(complaint(rule, str(out), "For example --out groups.png."))


def picture(case: Case, rs: list[int], out: Path, count: int = 6) -> Image.Image:
    """Write a sheet of a few images and their merged groups after all layers, one row for each r.

    Raises:
        ToMeValueError: if the picture cannot be written there.
    """
    check_picture(out)
    inputs, _ = next(case.batches(count))
    pictures = [opened(image) for image in case.images[:count]]
    side = next(iter(inputs.values())).shape[-2:]
    pictures = [picture.resize((side[1], side[0])) for picture in pictures]
    scale = max(1, 160 // side[0])
    rows = [("input", [p.resize((side[1] * scale, side[0] * scale), Image.Resampling.NEAREST) for p in pictures])]
    for r in rs:
        apply_tome(case.model, r)
        with torch.inference_mode(), trace_tome(case.model) as trace:
            case.model(**inputs)
        painted = [paint_groups(p, group_map(trace, item), scale) for item, p in enumerate(pictures)]
        rows.append((f"r = {r}\n{trace.token_counts[-1]} tokens", painted))
    remove_tome(case.model)
    page = sheet(rows)
    try:
        page.save(out)
    except OSError as error:
        rule = "The picture must be writable."
        raise ToMeValueError(complaint(rule, f"{out} ({error})", "Choose another place with --out.")) from error
    return page
