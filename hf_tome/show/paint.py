"""Each group filled with its mean colour and outlined in a colour of its own (ToMe, figure 4)."""

from __future__ import annotations

import colorsys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Int, UInt8

GOLDEN = 0.618034  # of the colour circle: the step in hue from one group to the next, so that no hue comes twice
LEVELS = ((1.0, 1.0), (0.55, 1.0), (1.0, 0.7))  # saturation and brightness, in turn for eight groups each
LADDER = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))  # from dark to bright


def fill(
    pixels: UInt8[np.ndarray, "*frames height width channels"], owners: Int[np.ndarray, "*frames height width"]
) -> UInt8[np.ndarray, "*frames height width channels"]:
    """Each pixel in the mean colour of its group `owners`, over all frames; those of group -1 keep their colour."""
    numbers = owners.ravel() + 1  # 0 is no group
    counts = np.maximum(np.bincount(numbers), 1)
    channels = np.moveaxis(pixels, -1, 0)
    means = np.stack([np.bincount(numbers, channel.ravel()) / counts for channel in channels], axis=-1)
    return np.where(owners[..., None] >= 0, means.round().astype(np.uint8)[owners + 1], pixels)


def outlined(
    pixels: UInt8[np.ndarray, "*frames height width 3"],
    owners: Int[np.ndarray, "*frames height width"],
    lines: UInt8[np.ndarray, "groups 3"],
    width: int = 1,
) -> UInt8[np.ndarray, "*frames height width 3"]:
    """Pixels with an outline in the colour `lines[owner]` inside each connected part of a group; -1 is no group."""
    edge = _at_border(owners, width) & (owners >= 0)
    return np.where(edge[..., None], lines[owners], pixels)


def enlarged(pixels: np.ndarray, scale: tuple[int, int], axis: int = -3) -> np.ndarray:
    """Each pixel as a rectangle of so many rows and columns; `axis` is that of the rows, counted from the end."""
    return pixels.repeat(scale[0], axis).repeat(scale[1], axis + 1)


def _at_border(owners: np.ndarray, width: int) -> np.ndarray:
    """Whether a pixel is within `width` of another group or of the border. A patch must be at least as wide."""
    height, across = owners.shape[-2:]
    beyond = [(0, 0)] * (owners.ndim - 2) + [(width, width)] * 2
    padded = np.pad(owners, beyond, constant_values=-2)
    edge = np.zeros(owners.shape, dtype=bool)
    for down in (0, width, 2 * width):
        for right in (0, width, 2 * width):
            edge |= padded[..., down : down + height, right : right + across] != owners
    return edge


def line_colours(groups: Int[np.ndarray, "*grid"]) -> UInt8[np.ndarray, "groups 3"]:
    """A colour for the outline of each group, by its number: vivid, or grey for a patch that is alone."""
    counts = np.bincount(groups.ravel())
    return np.where((counts > 1)[:, None], palette(len(counts)), np.uint8(128))


@cache
def palette(count: int) -> np.ndarray:
    """(count, 3) uint8: a vivid colour for each number, far from those of the numbers next to it."""
    shades = [colorsys.hsv_to_rgb(n * GOLDEN % 1, *LEVELS[n // 8 % len(LEVELS)]) for n in range(count)]
    return (np.array(shades) * 255).round().astype(np.uint8)


def coloured(levels: np.ndarray) -> np.ndarray:
    """Grey levels (...) as colours (..., 3), dark to bright."""
    places = np.linspace(0, 255, len(LADDER))
    table = [np.interp(np.arange(256), places, channel) for channel in zip(*LADDER, strict=True)]
    return np.stack(table, axis=-1).round().astype(np.uint8)[levels]
