"""How the tokens of a tower lie on its input, from its config."""

from __future__ import annotations

from math import prod
from typing import Any

from hf_tome.core import PatchGrid


def image_grid(config: Any) -> PatchGrid:
    """(height, width) of pixel values (batch, channels, height, width)."""
    size = pair(config.patch_size)
    return PatchGrid((-2, -1), size, size)


def features_grid(config: Any) -> PatchGrid:
    """The same of features (batch, channels, rows, columns) of another encoder, each a token."""
    return PatchGrid((-2, -1), (1, 1), (1, 1))


def images_grid(config: Any) -> PatchGrid:
    """(image, height, width) of pixel values (images, channels, height, width) that stand in one sequence."""
    size = (1, *pair(config.patch_size))
    return PatchGrid((-4, -2, -1), size, size)


def video_grid(config: Any) -> PatchGrid:
    """(time, height, width) in tubelets of pixel values (batch, frames, channels, height, width)."""
    size = (config.tubelet_size, *pair(config.patch_size))
    return PatchGrid((-4, -2, -1), size, size)


def tubelet_grid(config: Any) -> PatchGrid:
    """The same where the config has all three sides of a tubelet in one."""
    size = tuple(config.tubelet_size)
    return PatchGrid((-4, -2, -1), size, size)


def frame_grid(config: Any) -> PatchGrid:
    """(height, width) of each frame, of the same pixel values."""
    size = tuple(config.tubelet_size[1:])
    return PatchGrid((-2, -1), size, size)


def timesformer_grid(config: Any) -> PatchGrid:
    """(height, width, time) of the same pixel values, as one attention over space and time sees them."""
    size = pair(config.patch_size)
    if config.attention_type == "space_only":
        return PatchGrid((-2, -1), size, size)
    return PatchGrid((-2, -1, -4), (*size, 1), (*size, 1))


def patches_grid(config: Any) -> PatchGrid:
    """Patches in a row, of pixel values that are cut already: (batch, patches, values)."""
    return PatchGrid((-2,), (1,), (1,))


def packed_grid(config: Any) -> PatchGrid:
    """The same of pixel values (patches, channels, rows, columns)."""
    return PatchGrid((-4,), (1,), (1,))


def spectrogram_grid(config: Any) -> PatchGrid:
    """(frequency, time) in patches, which overlap, of log-mel features (batch, frames, mel bins)."""
    return PatchGrid((-1, -2), pair(config.patch_size), (config.frequency_stride, config.time_stride))


def stacked_grid(config: Any) -> PatchGrid:
    """Time steps of log-mel features (batch, frames, mel bins), several frames to each."""
    return PatchGrid((-2,), (1,), (config.subsampling_factor,))


def mel_grid(config: Any) -> PatchGrid:
    """Time steps of log-mel features (batch, mel bins, frames): a convolution takes every second frame."""
    return PatchGrid((-1,), (2,), (2,))


def dots3_grid(config: Any) -> PatchGrid:
    """The same, halved by three convolutions."""
    return PatchGrid((-1,), (1,), (8,))


def frames_grid(config: Any) -> PatchGrid:
    """Time steps of features (batch, frames, mel bins), halved by each of several convolutions."""
    return PatchGrid((-2,), (1,), (2**config.num_conv_layers,))


def moonshine_grid(config: Any) -> PatchGrid:
    """Time steps of a wave (batch, samples), by Moonshine's three convolutions."""
    return PatchGrid((-1,), (127 + 64 * (7 - 1 + 3 * (3 - 1)),), (64 * 3 * 2,))


def wave_grid(config: Any) -> PatchGrid:
    """Time steps of a wave (batch, samples): convolutions see `size` samples at a time."""
    size = 1
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        size = (size - 1) * stride + kernel
    return PatchGrid((-1,), (size,), (prod(config.conv_stride),))


def codec_grid(config: Any) -> PatchGrid:
    """The same, by the codec that is in front."""
    hop = config.dac_config.hop_length
    return PatchGrid((-1,), (hop,), (hop,))


def pair(size: Any) -> tuple[int, int]:
    """A size of one or two numbers as two."""
    return (size, size) if isinstance(size, int) else (size[0], size[1])
