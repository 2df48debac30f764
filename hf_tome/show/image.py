"""Merged groups on images."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image

from hf_tome.show.groups import first_patches, forward_of, group_map, on_pixels
from hf_tome.show.paint import enlarged, line_colours, paint
from hf_tome.trace import ForwardTrace, Trace

WIDE = 448  # pixels that a small image is enlarged to


def image_groups(
    images: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None, *, beside: bool = False
) -> list[Image.Image]:
    """One picture for each image: groups filled with their mean colour and outlined (ToMe, figure 4).

    Patches of the same colour inside and the same outline are one token; a grey outline is a patch that is alone.
    An outline keeps its colour from layer to layer: when groups merge, that of the first in reading order stays.

    Args:
        images: uint8 (batch, height, width, 3), what the model saw: `seen(inputs["pixel_values"], processor)`.
        trace: of the forward on these images.
        layers: after how many layers; default all.
        beside: put the image itself at the left.

    Returns:
        RGB pictures. Images below 448 pixels are enlarged by a whole number.

    Raises:
        ToMeValueError: if an image is not what the model saw, or there is no such layer.
    """
    forward = forward_of(trace)
    painted = (painted_image(colours, forward, item, layers) for item, colours in enumerate(images))
    if not beside:
        return [Image.fromarray(each) for each in painted]
    return [Image.fromarray(side_by_side(colours, each)) for colours, each in zip(images, painted, strict=True)]


def painted_image(colours: np.ndarray, forward: ForwardTrace, item: int, layers: int | None) -> np.ndarray:
    """One image (height, width, 3) with the groups of one input of the batch, enlarged."""
    groups = first_patches(group_map(forward, item, layers))
    owners = on_pixels(groups, forward.patches, colours.shape[:2])
    scale = enlargement(colours.shape[:2])
    return paint(colours, owners, line_colours(groups), scale, line_width(forward.patches.sizes[-1] * scale))


def side_by_side(colours: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """What was painted, and at its left, enlarged as it was, what it was painted on."""
    white = np.full((painted.shape[0], max(4, painted.shape[1] // 56), 3), 255, dtype=np.uint8)
    return np.concatenate([enlarged(colours, painted.shape[0] // colours.shape[0], axis=0), white, painted], axis=1)


def enlargement(sides: Sequence[int]) -> int:
    """How many times a picture of these sides is enlarged to be looked at."""
    return max(1, WIDE // max(sides))


def line_width(patch: int) -> int:
    """The width of an outline for patches so many pixels wide."""
    return max(1, patch // 12)
