"""The picture of `hf-tome demo`: a few inputs with their merged groups."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hf_tome.api import apply_tome, remove_tome
from hf_tome.data.image import SUFFIXES
from hf_tome.data.subject import Subject
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.show.scene import scenes
from hf_tome.show.sheet import sheet
from hf_tome.trace import trace_tome

BATCHES = {"image": 50, "audio": 4, "video": 2}  # so that a batch takes a few seconds at most on a small machine
LIMITS = {"image": 500, "audio": 40, "video": 16}  # and a whole demo, minutes
PICTURES = {"image": 6, "audio": 3, "video": 2}


def check_picture(out: Path) -> None:
    """Refuse a place where no picture can be written, before any work is done.

    Raises:
        ToMeValueError: if the folder does not exist, or the name is not that of an image file.
    """
    if out.suffix.lower() not in SUFFIXES or not out.absolute().parent.is_dir():
        rule = f"--out is an image file ({', '.join(sorted(SUFFIXES))}) in a folder that exists."
        raise ToMeValueError(complaint(rule, str(out), "For example --out groups.png."))


def picture(subject: Subject, rs: list[int], out: Path) -> Image.Image:
    """Write a sheet of a few inputs and their merged groups after all layers.

    Images stand side by side, a row for each r. Strips of frames and spectrograms are wide: they stand one below the
    other, a row for each r of each of them.

    Raises:
        ToMeValueError: if the picture cannot be written there.
    """
    check_picture(out)
    modality = subject.classifier.modality
    inputs = subject.inputs(PICTURES[modality])
    rows, views = [], []
    for r in rs:
        apply_tome(subject.model, r)
        with torch.inference_mode(), trace_tome(subject.model) as trace:
            subject.model(**inputs)
        views = scenes(next(iter(inputs.values())), subject.classifier.processor, trace)
        rows = rows or [("input", [strip(view.plain) for view in views])]
        painted = [strip(view.paint(len(view.token_counts) - 1)) for view in views]
        rows.append((f"r = {r}\n{trace.token_counts[-1]} tokens", painted))
    remove_tome(subject.model)
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
