"""What a model sees of its inputs, as pixels that its patches cover."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8


def seen(pixels: Float[Tensor, "*batch 3 height width"], processor: Any) -> UInt8[np.ndarray, "*batch height width 3"]:
    """Images and frames as the model sees them: resized and cropped as its processor does, in their own colours.

    Args:
        pixels: pixel values as the processor gave them, of images (batch, ...) or of clips (batch, frames, ...).
        processor: whose normalisation is taken back.
    """
    colours = pixels.detach().cpu().movedim(-3, -1).double().numpy()
    if getattr(processor, "do_normalize", False):
        colours = colours * np.asarray(processor.image_std) + np.asarray(processor.image_mean)
    whole = 1.0 if getattr(processor, "do_rescale", True) else 255.0  # not rescaled: 0 to 255
    return (np.nan_to_num(colours / whole).clip(0, 1) * 255).round().astype(np.uint8)
