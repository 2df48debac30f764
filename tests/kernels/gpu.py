"""Where the kernels run, and plans made by them."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_tome.core import MergePlan, fused

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALVES = [torch.float16, torch.bfloat16]


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def plan_of(metric: Tensor, r: int, protected: int, padded: Tensor | None = None) -> MergePlan:
    return MergePlan(*fused.match(metric, r, protected, padded))


def parts(plan: MergePlan) -> tuple[Tensor, Tensor, Tensor]:
    return plan.leaders, plan.joiners, plan.targets
