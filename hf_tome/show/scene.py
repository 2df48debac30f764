"""One input as the model saw it, with its merged groups: all pictures are made from this."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hf_tome.errors import ToMeTypeError, complaint
from hf_tome.show.groups import first_patches, forward_of, group_map, on_pixels, patch_at
from hf_tome.show.paint import coloured, enlarged, fill, line_colours, outlined
from hf_tome.trace import ForwardTrace, Trace

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8

# Pixels up and across that a smaller input is enlarged to, by whole numbers.
ENLARGED = {"image": (448, 448), "video": (224, 224), "audio": (512, 2000)}


def seen(
    pixels: Float[Tensor, "*batch channels height width"], processor: Any
) -> UInt8[np.ndarray, "*batch height width 3"]:
    """Images and frames as the model sees them: resized and cropped as its processor does, in their own colours.

    Args:
        pixels: pixel values as the processor gave them, of images (batch, ...) or of clips (batch, frames, ...). Of one
            or two channels the first is shown in grey, of more than three the first three as colours.
        processor: whose normalisation is undone.
    """
    colours = pixels.detach().cpu().movedim(-3, -1).double().numpy()
    colours = colours[..., : 3 if colours.shape[-1] >= 3 else 1]
    if getattr(processor, "do_normalize", False):
        std, mean = (np.asarray(each)[: colours.shape[-1]] for each in (processor.image_std, processor.image_mean))
        colours = colours * std + mean
    colours = np.broadcast_to(colours, (*colours.shape[:-1], 3))
    whole = 1.0 if getattr(processor, "do_rescale", True) else 255.0  # not rescaled: 0 to 255
    return (np.nan_to_num(colours / whole).clip(0, 1) * 255).round().astype(np.uint8)


def spectrograms(features: Float[Tensor, "batch frames bins"]) -> UInt8[np.ndarray, "batch bins frames 1"]:
    """Features as grey levels, the quietest of each sound black and the loudest white; the lowest bin comes first."""
    levels = np.nan_to_num(features.detach().cpu().double().numpy()).transpose(0, 2, 1)[..., None]
    low, high = levels.min((1, 2), keepdims=True), levels.max((1, 2), keepdims=True)
    return ((levels - low) / np.maximum(high - low, 1e-6) * 255).round().astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Scene:
    """One input of a traced forward.

    Attributes:
        pixels: uint8, what the patches cover: an image (height, width, 3), a clip (frames, height, width, 3), or the
            grey levels of a spectrogram (bins, frames, 1), the lowest bin first.
        forward: the trace of the forward.
        item: which input of its batch.
        columns: how many frames of a spectrogram are shown; None for all.
    """

    pixels: np.ndarray
    forward: ForwardTrace
    item: int
    columns: int | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8:
            rule = "A picture is painted on uint8 pixels."
            raise ToMeTypeError(complaint(rule, str(self.pixels.dtype), "Pass what `seen` gives."))

    @property
    def kind(self) -> str:
        """ "image", "video" or "audio"."""
        if self.pixels.shape[-1] == 1:
            return "audio"
        return "video" if self.pixels.ndim == 4 else "image"

    @property
    def scale(self) -> tuple[int, int]:
        """How many times height and width are enlarged; by the same number, but for spectrograms."""
        sides = self.pixels[..., : self.columns, :].shape[-3:-1]
        down, right = (max(1, most // side) for most, side in zip(ENLARGED[self.kind], sides, strict=True))
        return (down, right) if self.kind == "audio" else (min(down, right), min(down, right))

    @property
    def plain(self) -> UInt8[np.ndarray, "*frames tall wide 3"]:
        """The input, enlarged."""
        return self._colours(self.pixels)

    def painted(self, layers: int | None = None) -> UInt8[np.ndarray, "*frames tall wide 3"]:
        """The input with its groups after `layers` layers filled and outlined, enlarged; default all layers.

        A group of a clip is filled with its mean over all frames.

        Raises:
            ToMeValueError: if `pixels` is not what the model saw, or there is no such layer.
        """
        groups = first_patches(group_map(self.forward, self.item, layers))
        owners = on_pixels(groups, self.forward.patches, self.pixels.shape[:-1])
        filled = self._colours(fill(self.pixels, owners))
        owners = enlarged(owners[..., : self.columns], self.scale, -2)
        width = 2 if self.kind == "audio" else max(1, self.forward.patches.sizes[-1] * self.scale[1] // 12)
        return outlined(filled, owners, line_colours(groups), width)

    def beside(self, layers: int | None = None) -> UInt8[np.ndarray, "*frames tall wider 3"]:
        """The input, and at its right what `painted` gives."""
        painted = self.painted(layers)
        *frames, height, _, _ = painted.shape
        gap = np.full((*frames, height, max(4, height // 56), 3), 255, dtype=np.uint8)
        return np.concatenate([self.plain, gap, painted], axis=-2)

    def panels(self, picture: np.ndarray) -> UInt8[np.ndarray, "panels tall wide 3"]:
        """A picture of this scene as panels: one for each step in time of a clip; low frequencies at the bottom."""
        if self.kind == "video":
            return picture[:: self.forward.patches.sizes[0]][: self.forward.grid[0]]
        return picture[None, ::-1] if self.kind == "audio" else picture[None]

    def panel_groups(self, layers: int) -> np.ndarray:
        """int64 (panels, rows, columns): the group of each patch after `layers` layers, in the order of the panels."""
        groups = group_map(self.forward, self.item, layers)
        return groups if self.kind == "video" else self.panels(groups)

    def panel_lines(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 (tall,) and (wide,): the patch of each row and column of pixels in a panel, -1 where there is none."""
        patches, grid, lines = self.forward.patches, self.forward.grid, []
        for axis, scale in zip((-2, -1), self.scale, strict=True):
            side = self.pixels.shape[axis - 1]
            patch, covered = patch_at(side, patches.sizes[axis], patches.strides[axis], grid[axis])
            lines.append(np.where(covered, patch, -1).repeat(scale))
        rows, columns = lines
        if self.kind == "audio":
            rows = np.where(rows < 0, -1, grid[0] - 1 - rows)[::-1]
        return rows, columns

    def _colours(self, pixels: np.ndarray) -> np.ndarray:
        """The shown pixels in colours, enlarged."""
        return enlarged(coloured(pixels[:, : self.columns, 0]) if self.kind == "audio" else pixels, self.scale)


def scenes(pixels: Collection[np.ndarray], trace: Trace | ForwardTrace) -> list[Scene]:
    """A scene for each input of a traced forward, of its pixels (see `Scene`)."""
    return [Scene(np.asarray(each), forward_of(trace), item) for item, each in enumerate(pixels)]


def scenes_of_inputs(inputs: Tensor, processor: Any, trace: Trace | ForwardTrace) -> list[Scene]:
    """A scene for each input of a traced forward on `inputs`, the model's main input, which `processor` made."""
    sound = forward_of(trace).patches.axes[0] == -1
    return scenes(spectrograms(inputs) if sound else seen(inputs, processor), trace)
