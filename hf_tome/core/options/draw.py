"""Random numbers that depend on nothing but their seed: the same on every device, in every run and recompute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Int

LOW = 0xFFFFFFFF


def draw(count: int, seed: int, stream: int, device: torch.device) -> Int[Tensor, " count"]:
    """Random integers in [0, 2**32): a hash of index, seed in [0, 2**32) and stream, such as the layer.

    No random generator is used, so none changes its state.
    """
    numbers = torch.arange(count, dtype=torch.int64, device=device)
    for word in (seed, stream):
        numbers = _mixed((numbers + (word * 0x9E3779B1 + 0x7F4A7C15)) & LOW)
    return numbers


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 32-bit numbers in which every bit depends on every other. No product overflows int64."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & LOW
    x = ((x ^ (x >> 15)) * 0x2C1B3C6D) & LOW
    x = ((x ^ (x >> 12)) * 0x297A2D39) & LOW
    return x ^ (x >> 15)
