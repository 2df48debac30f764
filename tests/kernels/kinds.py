"""The kernels, where they run, and plans made by them."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import pytest
import torch
from torch import Tensor

from hf_tome.core import MergePlan, ops
from hf_tome.core.ops import gpu

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
HALVES = [torch.float16, torch.bfloat16]


@dataclass(frozen=True)
class Kernels:
    """Kernels of one kind: `decide`, `share` and `merge` of a module, and the device that their tensors are on."""

    module: ModuleType
    device: str

    def plan(self, metric: Tensor, r: int, protected: int, padded: Tensor | None = None) -> MergePlan:
        """The plan that they make of a metric on any device."""
        sizes = None if padded is None else (~padded).float().to(self.device)
        metric = metric.to(self.device)[:, None]
        return MergePlan(*self.module.decide(metric, sizes, padded is not None, r, protected)[:3])


TRITON, LOOPS = Kernels(gpu, DEVICE), Kernels(ops._loops(), "cpu")
needs_triton = pytest.mark.skipif(not gpu.HAS_TRITON, reason="needs triton")
needs_numba = pytest.mark.skipif(not ops.HAS_NUMBA, reason="needs numba")
each_kernels = pytest.mark.parametrize(
    "kernels",
    [
        pytest.param(TRITON, id="triton", marks=needs_triton),
        pytest.param(LOOPS, id="loops", marks=needs_numba),
    ],
)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE)


def parts(plan: MergePlan) -> tuple[Tensor, Tensor, Tensor]:
    return plan.leaders, plan.joiners, plan.targets
