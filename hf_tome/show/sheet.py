"""Pictures in rows on one page: any pictures, or a few inputs of a subject with their merged groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from hf_tome.api import merged
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.show.scene import Scene, scenes_of_inputs
from hf_tome.trace import trace_tome

if TYPE_CHECKING:
    from hf_tome.data.subject import Subject

INPUTS = {"image": 6, "audio": 3, "video": 2}  # on the sheet of a subject
GAP = 8  # pixels between pictures


def sheet(rows: list[tuple[str, list[Image.Image]]]) -> Image.Image:
    """Rows of equally large pictures on white, with a caption at the left of each row.

    Raises:
        ToMeValueError: if there is no picture.
    """
    if not rows or not rows[0][1]:
        raise ToMeValueError(complaint("A sheet has rows with pictures.", "none", "Pass [(caption, [picture])]."))
    width, height = rows[0][1][0].size
    font = ImageFont.load_default(size=max(12, min(22, height // 8)))
    margin = int(max(font.getlength(line) for caption, _ in rows for line in caption.split("\n"))) + 3 * GAP
    across = max(len(pictures) for _, pictures in rows)
    page = Image.new("RGB", (margin + across * (width + GAP), len(rows) * (height + GAP) + GAP), "white")
    draw = ImageDraw.Draw(page)
    for y, (caption, pictures) in enumerate(rows):
        top = GAP + y * (height + GAP)
        draw.multiline_text((GAP, top + height // 2), caption, fill="black", font=font, anchor="lm")
        for x, picture in enumerate(pictures):
            page.paste(picture.resize((width, height)), (margin + x * (width + GAP), top))
    return page


def subject_sheet(subject: Subject, rs: Sequence[Any]) -> Image.Image:
    """A few inputs of a subject, and their merged groups after all layers for each r.

    Images stand side by side, a row for each r. Strips of frames and spectrograms are wide: they stand one below the
    other, a row for each r of each of them.
    """
    modality = subject.classifier.modality
    inputs = subject.inputs(INPUTS[modality])
    rows: list[tuple[str, list[Image.Image]]] = []
    for r in rs:
        with merged(subject.model, r), torch.inference_mode(), trace_tome(subject.model) as trace:
            subject.model(**inputs)
        scenes = scenes_of_inputs(next(iter(inputs.values())), subject.classifier.processor, trace)
        rows = rows or [("input", [_strip(scene, scene.plain) for scene in scenes])]
        rows.append((f"r = {r}\n{trace.token_counts[-1]} tokens", [_strip(each, each.painted()) for each in scenes]))
    if modality != "image":
        rows = [(caption, [pictures[item]]) for item in range(len(rows[0][1])) for caption, pictures in rows]
    return sheet(rows)


def _strip(scene: Scene, picture: np.ndarray) -> Image.Image:
    """The panels of a picture side by side, no larger than is good to look at on a sheet."""
    whole = Image.fromarray(np.concatenate(list(scene.panels(picture)), axis=1))
    whole.thumbnail((1800, 224), Image.Resampling.BOX)
    return whole
