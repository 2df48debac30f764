"""Traced forwards of tiny models, and what a picture must show, pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from cases import BARE, Case
from torch import Tensor

from hf_tome import apply_tome, trace_tome
from hf_tome.trace import Trace

VIT, DEIT, VIDEOMAE, AST = BARE


def traced(case: Case, pixels: Tensor, r: Any = 5, **settings: Any) -> Trace:
    """One forward of the case's model on these pixels."""
    model = apply_tome(case.build(**settings), r=r)
    with torch.no_grad(), trace_tome(model) as trace:
        model(pixels)
    return trace


def owner_of(place: tuple[int, ...], trace: Trace, item: int) -> int:
    """The token in which a pixel is: by the nearest centre among the patches that cover it, -1 without one."""
    cells = trace.last.patches
    patch = []
    for pixel, size, stride, count in zip(place, cells.sizes, cells.strides, trace.grid, strict=True):
        covering = [n for n in range(count) if n * stride <= pixel < n * stride + size]
        if not covering:
            return -1
        patch.append(min(covering, key=lambda n: abs(n * stride + size / 2 - (pixel + 0.5))))
    number = np.ravel_multi_index(tuple(patch), trace.grid)
    return int(trace.groups[item, trace.last.protected + number])


def owners_of(sides: tuple[int, ...], trace: Trace, item: int) -> np.ndarray:
    """The token of each pixel, one by one."""
    return np.array([owner_of(place, trace, item) for place in np.ndindex(*sides)]).reshape(sides)


def means_of(colours: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Each pixel's colour, the mean of its group; its own without one."""
    filled = colours.astype(np.float64)
    for owner in set(owners.ravel()) - {-1}:
        filled[owners == owner] = colours[owners == owner].mean(axis=0, dtype=np.float64)
    return filled


def inner(owners: np.ndarray, width: int) -> np.ndarray:
    """Whether all pixels within `width` of a pixel, on its frame, are of its group: there no outline is drawn."""
    inside = np.zeros(owners.shape, dtype=bool)
    for *frame, y, x in np.ndindex(*owners.shape):
        whole = owners[tuple(frame)]
        around = whole[max(0, y - width) : y + width + 1, max(0, x - width) : x + width + 1]
        border = min(y, x, whole.shape[0] - 1 - y, whole.shape[1] - 1 - x) < width
        inside[(*frame, y, x)] = not border and bool((around == whole[y, x]).all())
    return inside


def random_colours(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
