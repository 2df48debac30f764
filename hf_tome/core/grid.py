"""How patches lie on an input, axis by axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Grid = tuple[int, ...]


@dataclass(frozen=True)
class PatchGrid:
    """Where the patches of an input lie.

    Attributes:
        axes: the axes of the main input that patches cut, in the order of the grid, counted from its end.
        sizes: how many pixels, frames or mel bins a patch covers on each of these axes.
        strides: from one patch to the next. Smaller than the size where patches overlap.
    """

    axes: Grid
    sizes: Grid
    strides: Grid

    def sides(self, shape: Sequence[int]) -> Grid:
        """How long the cut axes of an input of this shape are."""
        return tuple(shape[axis] for axis in self.axes)

    def shape(self, shape: Sequence[int]) -> Grid:
        """The grid of an input of this shape: patches on each axis."""
        lines = zip(self.sides(shape), self.sizes, self.strides, strict=True)
        return tuple((side - size) // stride + 1 for side, size, stride in lines)
