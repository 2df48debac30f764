"""What a model sees of an input, as a picture that its patch grid covers, and the groups on that picture.

An image is itself. A video is a strip: one frame of each step of the grid in time. A sound is its spectrogram, low
frequencies at the bottom, with what the processor fills it up with at its end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from hf_tome.classifier import Classifier


def seen(classifier: Classifier, pixels: Tensor) -> Image.Image:
    """The picture of one sample.

    Args:
        classifier: whose processor made the sample.
        pixels: (3, height, width) of an image, (frames, 3, height, width) of a video, (time, mel bins) of a sound.

    Returns:
        As large as the sample; of a video, as wide as the grid's steps in time side by side.
    """
    if classifier.modality == "audio":
        levels = pixels.T.flip(0).double().numpy()  # (mel bins, time)
        levels = (levels - levels.min()) / max(levels.max() - levels.min(), 1e-6)
        return Image.fromarray(_bytes(levels)).convert("RGB")
    colours = _unnormalised(classifier.processor, pixels)
    if classifier.modality == "video":
        config: Any = classifier.model.config
        return Image.fromarray(side_by_side(_bytes(colours[:: config.tubelet_size])))
    return Image.fromarray(_bytes(colours))


def laid_out(groups: np.ndarray, modality: str) -> np.ndarray:
    """Groups on the patch grid, laid out as the picture that `seen` gives: (height, width) in patches."""
    if modality == "video":
        return side_by_side(groups)
    return groups[::-1] if modality == "audio" else groups


def side_by_side(frames: np.ndarray) -> np.ndarray:
    """(time, height, width, ...) as one (height, time * width, ...)."""
    return np.concatenate(list(frames), axis=1)


def _unnormalised(processor: Any, pixels: Tensor) -> np.ndarray:
    """(..., 3, height, width) as the processor gave it, back as colours (..., height, width, 3) from 0 to 1."""
    colours = pixels.movedim(-3, -1).double().numpy()
    if not getattr(processor, "do_normalize", False):
        return colours
    return colours * np.asarray(processor.image_std) + np.asarray(processor.image_mean)


def _bytes(levels: np.ndarray) -> np.ndarray:
    return (levels.clip(0, 1) * 255).round().astype(np.uint8)
