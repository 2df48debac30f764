"""What a user brings: a small model saved with its processor, and a folder of files with labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import datasets
import numpy as np
from cases import AST, CLASSES, CLASSIFIERS, SMALL_VIT, VIDEOMAE, VIT, Case
from PIL import Image
from recordings import tone, write_clip, write_sound
from transformers import ASTFeatureExtractor, DeiTImageProcessorPil, VideoMAEImageProcessorPil, ViTImageProcessorPil

from hf_tome.data.folder import files_below

BY_MODALITY = {
    "image": SMALL_VIT,
    "audio": next(case for case in CLASSIFIERS if case.family is AST),
    "video": next(case for case in CLASSIFIERS if case.family is VIDEOMAE),
}


def saved(case: Case, folder: Path) -> Path:
    """The model and the processor that fits it; its classes are called "class 0" and so on."""
    case.build(id2label={number: f"class {number}" for number in range(CLASSES)}).save_pretrained(folder)
    side = case.family.settings.get("image_size")
    square = {"height": side, "width": side}
    if case.family is AST:
        processor = ASTFeatureExtractor(num_mel_bins=16, max_length=32)
    elif case.family is VIDEOMAE:
        processor = VideoMAEImageProcessorPil(size={"shortest_edge": side}, crop_size=square)
    elif case.family is VIT:
        processor = ViTImageProcessorPil(size=square)
    else:
        processor = DeiTImageProcessorPil(size={"height": 2 * side, "width": 2 * side}, crop_size=square)
    processor.save_pretrained(folder)
    return folder


def one_class(number: int) -> str:
    return f"class {number % CLASSES}"


def two_classes(number: int) -> str:
    return f"class {number % 3}+class {3 + number % 2}"


def labelled(case: Case, folder: Path, count: int, name: Callable[[int], str] = one_class) -> Path:
    """Files of the case's modality, each in the folder that `name` gives its number."""
    for number in range(count):
        path = folder / name(number) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if case.family is AST:
            write_sound(path.with_suffix(".wav"), tone(0.3, 16000, 200.0 * (number + 1)), 16000)
        elif case.family is VIDEOMAE:
            write_clip(path.with_suffix(".mp4"), range(0, 25 * (number + 2), 20))
        else:
            noise = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
            Image.fromarray(noise).save(path.with_suffix(".png"))
    return folder


def rows(folder: Path, modality: str) -> datasets.Dataset:
    """The files as a data set that holds their bytes, with the classes in another order than the model's."""
    names = [f"class {number}" for number in reversed(range(CLASSES))]
    files = files_below(folder, modality)
    media = [{"bytes": path.read_bytes(), "path": path.name} for path in files]
    data = datasets.Dataset.from_dict(
        {"medium": media, "label": [names.index(path.parent.name) for path in files]},
        features=datasets.Features({
            "medium": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
            "label": datasets.ClassLabel(names=names),
        }),
    )  # fmt: skip
    feature = {"image": datasets.Image, "audio": datasets.Audio, "video": datasets.Video}[modality]
    return data.cast_column("medium", feature(decode=False))
