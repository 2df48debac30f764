"""Patch grids of the three modalities, from the config and the shape of the input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def image_grid(config: Any, shape: Sequence[int]) -> tuple[int, int]:
    """(height, width) in patches of pixel values (batch, channels, height, width)."""
    patch_height, patch_width = pair(config.patch_size)
    return shape[-2] // patch_height, shape[-1] // patch_width


def video_grid(config: Any, shape: Sequence[int]) -> tuple[int, int, int]:
    """(time, height, width) in tubelets of pixel values (batch, frames, channels, height, width)."""
    patch_height, patch_width = pair(config.patch_size)
    return shape[-4] // config.tubelet_size, shape[-2] // patch_height, shape[-1] // patch_width


def spectrogram_grid(config: Any, shape: Sequence[int]) -> tuple[int, int]:
    """(frequency, time) in patches, which overlap, of log-mel features (batch, frames, mel bins)."""
    frequency = (shape[-1] - config.patch_size) // config.frequency_stride + 1
    time = (shape[-2] - config.patch_size) // config.time_stride + 1
    return frequency, time


def pair(size: Any) -> tuple[int, int]:
    """A size of one or two numbers as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])
