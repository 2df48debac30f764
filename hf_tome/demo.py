"""The cases that `hf-tome demo` runs on: the embedded model and images, or the user's own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hf_tome.api import apply_tome, remove_tome
from hf_tome.classifier import Classifier, load_classifier
from hf_tome.embedded import AST, CLIPS, SOUNDS, VIDEOMAE, embedded_images, embedded_processor, embedded_vit
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.media.folder import NAMES
from hf_tome.media.image import SUFFIXES
from hf_tome.report.samples import Samples, samples_of
from hf_tome.trace import trace_tome
from hf_tome.visualize.scene import scenes
from hf_tome.visualize.sheet import sheet

BATCHES = {"image": 50, "audio": 4, "video": 2}  # so that a batch takes a few seconds at most on a small machine
LIMITS = {"image": 500, "audio": 40, "video": 16}  # and a whole demo, minutes
PICTURES = {"image": 6, "audio": 3, "video": 2}
TITLES = {
    "image": "ViT (Fashion-MNIST, 197 tokens)",
    "audio": "AST (drum sounds, 173 tokens)",
    "video": "VideoMAE (moving pictures, 512 tokens)",
}
FOLDERS = {"audio": (AST, SOUNDS), "video": (VIDEOMAE, CLIPS)}
EVERY = 1000  # more than there are


@dataclass
class Case:
    """A classifier with inputs to classify.

    Attributes:
        title: what it is, for people.
        classifier: the model with its processor.
        samples: pictures, sounds or clips, with labels or without.
    """

    title: str
    classifier: Classifier
    samples: Samples

    @property
    def model(self) -> nn.Module:
        return self.classifier.model

    @property
    def name(self) -> str:
        """What the inputs are called: "images", "sounds" or "clips"."""
        return NAMES[self.classifier.modality]

    def inputs(self, count: int) -> dict[str, Tensor]:
        """The model's inputs for the first samples."""
        return self.classifier.inputs([self.samples.read(number) for number in range(min(count, self.samples.count))])


def embedded_case(modality: str = "image", limit: int | None = None) -> Case:
    """An embedded model on test data that comes with it: images of Fashion-MNIST, drum sounds, or moving pictures.

    Raises:
        ToMeValueError: if there is no such modality.
        MissingExtraError: without the extra that reads the sounds or clips.
    """
    if modality not in LIMITS:
        rule = f"There is an embedded model for each modality: {', '.join(LIMITS)}."
        raise ToMeValueError(complaint(rule, modality, "Choose one of them."))
    title = f"Embedded {TITLES[modality]}"
    if modality != "image":
        return replace(own_case(*FOLDERS[modality], limit or EVERY), title=title)
    images, labels = embedded_images()
    labels = labels[: limit or LIMITS["image"]]
    classifier = Classifier(embedded_vit(), embedded_processor(), "image")
    name = "Fashion-MNIST"
    samples = Samples(name, name, "test", name, images.__getitem__, labels, len(labels))
    return Case(title, classifier, samples)


def own_case(model: str | None, data: Path | None, limit: int | None = None) -> Case:
    """The user's own classifier on the user's own folder of images, sounds or clips, as the model takes them.

    Args:
        model: name on the hub, or folder.
        data: folder of files; subfolders named as the classes give labels.
        limit: use at most so many; by default what takes minutes on a small machine.

    Raises:
        ToMeValueError: if one of the two is missing, the model cannot be loaded, or the folder holds no such files.
        UnsupportedModelError: if the model cannot be merged.
    """
    if model is None or data is None:
        rule = "--model and --data belong together: the model's classes must fit the data."
        got = f"--model {model}" if model else f"--data {data}"
        raise ToMeValueError(complaint(rule, got, "Give both, or neither for the embedded model and images."))
    classifier = load_classifier(model)
    samples = samples_of(data, classifier, limit=limit or LIMITS[classifier.modality])
    return Case(f"{model} on {data}", classifier, samples)


def check_picture(out: Path) -> None:
    """Refuse a place where no picture can be written, before any work is done.

    Raises:
        ToMeValueError: if the folder does not exist, or the name is not that of an image file.
    """
    if out.suffix.lower() not in SUFFIXES or not out.absolute().parent.is_dir():
        rule = f"--out is an image file ({', '.join(sorted(SUFFIXES))}) in a folder that exists."
        raise ToMeValueError(complaint(rule, str(out), "For example --out groups.png."))


def picture(case: Case, rs: list[int], out: Path) -> Image.Image:
    """Write a sheet of a few inputs and their merged groups after all layers.

    Images stand side by side, a row for each r. Strips of frames and spectrograms are wide: they stand one below the
    other, a row for each r of each of them.

    Raises:
        ToMeValueError: if the picture cannot be written there.
    """
    check_picture(out)
    modality = case.classifier.modality
    inputs = case.inputs(PICTURES[modality])
    rows, views = [], []
    for r in rs:
        apply_tome(case.model, r)
        with torch.inference_mode(), trace_tome(case.model) as trace:
            case.model(**inputs)
        views = scenes(next(iter(inputs.values())), case.classifier.processor, trace)
        rows = rows or [("input", [strip(view.plain) for view in views])]
        painted = [strip(view.paint(len(view.token_counts) - 1)) for view in views]
        rows.append((f"r = {r}\n{trace.token_counts[-1]} tokens", painted))
    remove_tome(case.model)
    if modality != "image":
        rows = [(caption, [pictures[item]]) for item in range(len(views)) for caption, pictures in rows]
    page = sheet(rows)
    try:
        page.save(out)
    except (OSError, ValueError) as error:
        rule = "The picture must be writable."
        raise ToMeValueError(complaint(rule, f"{out} ({error})", "Choose another place with --out.")) from error
    return page


def strip(panels: np.ndarray) -> Image.Image:
    """Panels (n, height, width, 3) side by side, no larger than is good to look at on a sheet."""
    picture = Image.fromarray(np.concatenate(list(panels), axis=1))
    picture.thumbnail((1800, 224), Image.Resampling.BOX)
    return picture
