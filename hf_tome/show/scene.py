"""One input as the model saw it, in panels: an image and a spectrogram have one, a clip one for each step in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from hf_tome.show.groups import forward_of, group_map, patch_at
from hf_tome.show.image import painted_image
from hf_tome.show.paint import coloured, enlarged
from hf_tome.show.seen import seen
from hf_tome.show.sound import enlarged_spectrogram, painted_spectrogram, spectrograms
from hf_tome.show.video import painted_clip
from hf_tome.trace import ForwardTrace, Trace


@dataclass(frozen=True)
class Scene:
    """One input and its groups.

    Attributes:
        kind: "image", "video" or "audio".
        plain: (panels, height, width, 3) uint8, the input; low frequencies of a spectrogram at the bottom.
        paint: gives the same with its groups after so many layers.
        groups: gives the group of each patch after so many layers, (panels, rows, columns) as laid out in the panels.
        rows, columns: the patch of each row and column of pixels in a panel, -1 where none covers it.
        token_counts: see `ForwardTrace`.
        frames: of a spectrogram, how many; else 0.
    """

    kind: str
    plain: np.ndarray
    paint: Callable[[int], np.ndarray]
    groups: Callable[[int], np.ndarray]
    rows: np.ndarray
    columns: np.ndarray
    token_counts: list[int]
    frames: int = 0


def scenes(pixels: Tensor, processor: Any, trace: Trace | ForwardTrace) -> list[Scene]:
    """One for each input of a traced forward.

    Args:
        pixels: the model's main input.
        processor: that made it.
        trace: of the forward.
    """
    forward = forward_of(trace)
    if forward.patches.axes[0] == -1:
        return [_sound(levels, forward, item) for item, levels in enumerate(spectrograms(pixels))]
    make = _clip if len(forward.grid) == 3 else _image
    return [make(colours, forward, item) for item, colours in enumerate(seen(pixels, processor))]


def _image(colours: np.ndarray, forward: ForwardTrace, item: int) -> Scene:
    def paint(layers: int) -> np.ndarray:
        return painted_image(colours, forward, item, layers)[None]

    def groups(layers: int) -> np.ndarray:
        return group_map(forward, item, layers)[None]

    height, width = paint(0).shape[1:3]
    scale = height // colours.shape[0]
    rows, columns = _lines(forward, colours.shape[:2], (scale, scale))
    return Scene("image", enlarged(colours, scale, 0)[None], paint, groups, rows, columns, forward.token_counts)


def _clip(clip: np.ndarray, forward: ForwardTrace, item: int) -> Scene:
    step = forward.patches.sizes[0]
    count = forward.grid[0]

    def paint(layers: int) -> np.ndarray:
        return painted_clip(clip, forward, item, layers)[::step][:count]

    def groups(layers: int) -> np.ndarray:
        return group_map(forward, item, layers)

    scale = paint(0).shape[1] // clip.shape[1]
    rows, columns = _lines(forward, clip.shape[:3], (1, scale, scale))[-2:]
    return Scene("video", enlarged(clip[::step][:count], scale, 1), paint, groups, rows, columns, forward.token_counts)


def _sound(levels: np.ndarray, forward: ForwardTrace, item: int) -> Scene:
    def paint(layers: int) -> np.ndarray:
        return painted_spectrogram(levels, forward, item, layers)[None, ::-1]

    def groups(layers: int) -> np.ndarray:
        return group_map(forward, item, layers)[None, ::-1]

    plain = enlarged_spectrogram(coloured(levels))[None, ::-1]
    scales = plain.shape[1] // levels.shape[0], plain.shape[2] // levels.shape[1]
    rows, columns = _lines(forward, levels.shape, scales)
    rows = np.where(rows < 0, -1, forward.grid[0] - 1 - rows)[::-1]
    return Scene("audio", plain, paint, groups, rows, columns, forward.token_counts, levels.shape[1])


def _lines(forward: ForwardTrace, sides: tuple[int, ...], scales: tuple[int, ...]) -> list[np.ndarray]:
    """On each axis the patch of each pixel of an enlarged picture, -1 where none covers it."""
    patches = forward.patches
    lines = zip(sides, patches.sizes, patches.strides, forward.grid, scales, strict=True)
    found = ((patch_at(side, size, stride, count), scale) for side, size, stride, count, scale in lines)
    return [np.where(covered, patch, -1).repeat(scale) for (patch, covered), scale in found]
