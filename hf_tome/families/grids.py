"""Patch grids of the three modalities, from the config."""

from __future__ import annotations

from typing import Any

from hf_tome.core import PatchGrid


def image_grid(config: Any) -> PatchGrid:
    """(height, width) of pixel values (batch, channels, height, width)."""
    size = pair(config.patch_size)
    return PatchGrid((-2, -1), size, size)


def video_grid(config: Any) -> PatchGrid:
    """(time, height, width) in tubelets of pixel values (batch, frames, channels, height, width)."""
    size = (config.tubelet_size, *pair(config.patch_size))
    return PatchGrid((-4, -2, -1), size, size)


def spectrogram_grid(config: Any) -> PatchGrid:
    """(frequency, time) in patches, which overlap, of log-mel features (batch, frames, mel bins)."""
    return PatchGrid((-1, -2), pair(config.patch_size), (config.frequency_stride, config.time_stride))


def pair(size: Any) -> tuple[int, int]:
    """A size of one or two numbers as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])
