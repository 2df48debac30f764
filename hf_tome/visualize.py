"""Merged groups as pictures: each group filled with its mean colour and outlined (ToMe, figure 4)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.trace import ForwardTrace, Trace


def group_map(trace: Trace | ForwardTrace, item: int = 0, layers: int | None = None) -> np.ndarray:
    """The group of each patch of one input, shaped as the patch grid.

    Args:
        trace: of a forward on whole inputs.
        item: which input of the batch.
        layers: after how many layers; default all.

    Raises:
        ToMeValueError: if the tokens are not one per patch of the grid (a masked forward), or `item` is out of range.
    """
    forward = trace.last if isinstance(trace, Trace) else trace
    groups = forward.groups_at(len(forward.plans) if layers is None else layers)
    if not 0 <= item < len(groups):
        rule = f"item counts the inputs of the batch, 0 to {len(groups) - 1}."
        raise ToMeValueError(complaint(rule, item, "Choose one of them."))
    patches = groups[item, forward.protected :].cpu().numpy()
    if patches.size != int(np.prod(forward.grid)):
        rule = f"A picture needs one token for each patch of the grid {forward.grid}."
        raise ToMeValueError(complaint(rule, f"{patches.size} tokens", "Trace a forward on the whole input."))
    return patches.reshape(forward.grid)


def paint_groups(image: Image.Image, groups: np.ndarray, scale: int = 1) -> Image.Image:
    """The image with each group in its mean colour, and a line between groups.

    Args:
        image: the picture that the patches cover, of any size.
        groups: (height, width) in patches, as `group_map` gives it.
        scale: enlarge so many times, for small images.

    Returns:
        An RGB image of scale times the size of `image`.
    """
    image = image.convert("RGB")
    pixels = np.asarray(image, dtype=np.float64)
    rows = np.arange(pixels.shape[0]) * groups.shape[0] // pixels.shape[0]
    columns = np.arange(pixels.shape[1]) * groups.shape[1] // pixels.shape[1]
    _, compact = np.unique(groups, return_inverse=True)
    owner = compact.reshape(groups.shape)[rows[:, None], columns]  # (height, width) in pixels
    counts = np.bincount(owner.ravel())
    means = np.stack([np.bincount(owner.ravel(), pixels[..., c].ravel()) / counts for c in range(3)], axis=-1)
    painted = means[owner].round().astype(np.uint8)
    owner, painted = (np.repeat(np.repeat(a, scale, axis=0), scale, axis=1) for a in (owner, painted))
    edge = np.zeros(owner.shape, dtype=bool)
    edge[1:] |= owner[1:] != owner[:-1]
    edge[:, 1:] |= owner[:, 1:] != owner[:, :-1]
    # a line must be seen on dark and on light groups
    bright = painted.mean(axis=-1) > 127
    painted[edge & bright] = (painted[edge & bright] * 0.55).astype(np.uint8)
    painted[edge & ~bright] = (painted[edge & ~bright] * 0.55 + 0.45 * 255).astype(np.uint8)
    return Image.fromarray(painted)


def sheet(rows: list[tuple[str, list[Image.Image]]], gap: int = 8) -> Image.Image:
    """Rows of equally large pictures on white, with a caption at the left of each row."""
    width, height = rows[0][1][0].size
    font = ImageFont.load_default(size=max(12, min(22, height // 8)))
    margin = int(max(font.getlength(line) for caption, _ in rows for line in caption.split("\n"))) + 3 * gap
    across = max(len(pictures) for _, pictures in rows)
    page = Image.new("RGB", (margin + across * (width + gap), len(rows) * (height + gap) + gap), "white")
    draw = ImageDraw.Draw(page)
    for y, (caption, pictures) in enumerate(rows):
        top = gap + y * (height + gap)
        draw.multiline_text((gap, top + height // 2), caption, fill="black", font=font, anchor="lm")
        for x, picture in enumerate(pictures):
            page.paste(picture.resize((width, height)), (margin + x * (width + gap), top))
    return page
