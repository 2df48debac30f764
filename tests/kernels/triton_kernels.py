"""The Triton kernels where they run, and plans made by them."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_tome.core import MergePlan
from hf_tome.core.ops import gpu

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALVES = [torch.float16, torch.bfloat16]


def plan_of(metric: Tensor, r: int, protected: int, padded: Tensor | None = None) -> MergePlan:
    """The plan that the kernels make of a metric (batch, tokens, channels)."""
    sizes = None if padded is None else (~padded).float()
    return MergePlan(*gpu.decide(metric[:, None], sizes, padded is not None, r, protected)[:3])


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)
