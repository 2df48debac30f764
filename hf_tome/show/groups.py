"""The groups of a trace on the patch grid, and on the pixels, frames and mel bins that the patches cover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from hf_tome.core import PatchGrid
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.trace import ForwardTrace, Trace

if TYPE_CHECKING:
    from jaxtyping import Int


def forward_of(trace: Trace | ForwardTrace) -> ForwardTrace:
    """The forward that a picture shows: that of a `ForwardTrace`, or the last one of a `Trace`."""
    return trace.last if isinstance(trace, Trace) else trace


def group_map(trace: Trace | ForwardTrace, item: int = 0, layers: int | None = None) -> np.ndarray:
    """The token that each patch of one input is in, int64, shaped as the patch grid.

    Args:
        trace: of a forward on whole inputs.
        item: which input of the batch.
        layers: after how many layers; default all.

    Raises:
        ToMeValueError: if the tokens are not one per patch of the grid (a masked forward), or `item` is out of range.
    """
    forward = forward_of(trace)
    groups = forward.patch_groups(len(forward.plans) if layers is None else layers)
    if not 0 <= item < len(groups):
        rule = f"item counts the inputs of the batch, 0 to {len(groups) - 1}."
        raise ToMeValueError(complaint(rule, item, "Choose one of them."))
    patches = groups[item].cpu().numpy()
    if patches.size != int(np.prod(forward.grid)):
        rule = f"A picture needs one token for each patch of the grid {forward.grid}."
        raise ToMeValueError(complaint(rule, f"{patches.size} tokens", "Trace a forward on the whole input."))
    return patches.reshape(forward.grid)


def first_patches(groups: Int[np.ndarray, "*grid"]) -> Int[np.ndarray, "*grid"]:
    """The groups, each numbered by its first patch, so that numbers do not change from layer to layer."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return first[inverse].reshape(groups.shape)


def on_pixels(groups: Int[np.ndarray, "*grid"], patches: PatchGrid, sides: Sequence[int]) -> np.ndarray:
    """The group of each pixel (frame, mel bin) of an input with these sides, -1 where no patch covers it.

    Raises:
        ToMeValueError: if an input of these sides has another grid.
    """
    lines = list(zip(sides, patches.sizes, patches.strides, strict=False))
    expected = tuple((side - size) // stride + 1 for side, size, stride in lines)
    if len(sides) != groups.ndim or expected != groups.shape:
        rule = f"A picture is what the model saw: its patches make the grid {groups.shape}."
        cure = "Pass what `seen` gives for the inputs of the traced forward."
        raise ToMeValueError(complaint(rule, f"sides {tuple(sides)}, which make {expected}", cure))
    index, covered = zip(*(patch_at(*line, count) for line, count in zip(lines, expected, strict=True)), strict=True)
    return np.where(reduce(np.logical_and.outer, covered), groups[np.ix_(*index)], -1)


def patch_at(side: int, size: int, stride: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The patch that each pixel of one axis belongs to: where patches overlap, the one whose centre is nearest.

    Returns:
        int64 (side,), the patch; bool (side,), whether it covers the pixel. Pixels beyond the last patch, and between
        patches that lie apart, are covered by none.
    """
    pixels = np.arange(side)
    patch = np.clip((2 * pixels - (size - stride)) // (2 * stride), 0, count - 1)
    return patch, pixels - patch * stride < size


@dataclass(frozen=True)
class Span:
    """The groups of a clip that span equally many steps in time.

    Attributes:
        steps: of the grid in time, from the first in which a group has a patch to the last.
        groups: how many groups.
        patches: how many patches they have together.
    """

    steps: int
    groups: int
    patches: int


def time_spans(trace: Trace | ForwardTrace, item: int = 0, layers: int | None = None) -> list[Span]:
    """How many steps in time the groups of one clip span: a row for each number of steps that occurs, rising.

    Args and errors as those of `group_map`.
    """
    groups = group_map(trace, item, layers)
    sizes: dict[int, list[int]] = {}  # of the groups, by their reach
    for group in np.unique(groups):
        steps = np.nonzero(groups == group)[0]
        sizes.setdefault(int(np.ptp(steps)) + 1, []).append(len(steps))
    return [Span(reach, len(held), sum(held)) for reach, held in sorted(sizes.items())]
