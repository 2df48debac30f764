"""The merging kernels against a float64 sum: numba's loops, and Triton's, interpreted where there is no GPU."""

from __future__ import annotations

import pytest
import torch
from comparison import assert_same
from kinds import HALVES, LOOPS, TRITON, Kernels, each_kernels, needs_numba, needs_triton, parts, randn
from torch import Tensor

from hf_tome.core import MergePlan, ops


def case_of(
    kernels: Kernels, tokens: int, r: int, features: int, dtype: torch.dtype = torch.float32, padding: bool = False
) -> tuple[MergePlan, Tensor, Tensor]:
    """A plan with features and sizes to merge."""
    plan = kernels.plan(randn(2, tokens, 4), r, 1)
    sizes = torch.randint(0 if padding else 1, 9, (2, tokens), generator=torch.Generator().manual_seed(1)).float()
    return plan, randn(2, tokens, features, seed=2).to(kernels.device, dtype), sizes.to(kernels.device)


@each_kernels
@pytest.mark.parametrize(("tokens", "r"), [(9, 1), (150, 70)])
@pytest.mark.parametrize("padding", [False, True])
def test_sizes_and_shares(kernels: Kernels, tokens: int, r: int, padding: bool) -> None:
    plan, _, sizes = case_of(kernels, tokens, r, 1, padding=padding)
    totals, shares = kernels.module.share(sizes, *parts(plan))
    expected = torch.zeros_like(totals).double().scatter_add(1, plan.groups, sizes.double())
    assert torch.equal(totals.double(), expected)
    share = sizes.double().gather(1, plan.joiners) / expected.gather(1, plan.targets).clamp_min(1e-30)
    torch.testing.assert_close(shares.double(), share, rtol=1e-6, atol=0)


SHAPES = [(9, 1, 1), (40, 19, 33), (150, 70, 5), (12, 3, 2050)]  # tokens, r, features


def expect(kernels: Kernels, tokens: int, r: int, features: int, dtype: torch.dtype) -> None:
    """The merge is the weighted mean in float64."""
    plan, x, sizes = case_of(kernels, tokens, r, features, dtype)
    totals, shares = kernels.module.share(sizes, *parts(plan))
    merged = kernels.module.merge(x, *parts(plan), shares)
    weighted = x.double() * sizes.double()[..., None]
    index = plan.groups[..., None].expand_as(weighted)
    expected = weighted.new_zeros(2, plan.count, features).scatter_add(1, index, weighted)
    torch.testing.assert_close(merged, (expected / totals[..., None]).to(dtype))


@each_kernels
@pytest.mark.parametrize(("tokens", "r", "features"), SHAPES)
def test_merge_equals_the_oracle(kernels: Kernels, tokens: int, r: int, features: int) -> None:
    expect(kernels, tokens, r, features, torch.float32)


@needs_triton
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("tokens", "r", "features"), SHAPES[1:2])
def test_merge_in_half_precision(tokens: int, r: int, features: int, dtype: torch.dtype) -> None:
    expect(TRITON, tokens, r, features, dtype)


@each_kernels
def test_merge_of_any_strides(kernels: Kernels) -> None:
    plan, _, sizes = case_of(kernels, 40, 15, 6)
    x = randn(6, 40, 2).to(kernels.device).permute(2, 1, 0)
    _, shares = kernels.module.share(sizes, *parts(plan))
    expected = plan.merge(x.double(), shares).float()
    torch.testing.assert_close(kernels.module.merge(x, *parts(plan), shares), expected)


@needs_triton
def test_merge_does_not_overflow_half_precision() -> None:
    plan, x, sizes = case_of(TRITON, 12, 5, 4, torch.float16)
    x = torch.where(x > 0, 60000.0, -60000.0).half()
    _, shares = TRITON.module.share(1e30 * sizes, *parts(plan))
    assert TRITON.module.merge(x, *parts(plan), shares).isfinite().all()


@needs_numba
@pytest.mark.parametrize("padding", [False, True])
def test_the_loops_give_the_bits_that_torch_gives(padding: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a model's output is the same with gradients and without."""
    plan, x, sizes = case_of(LOOPS, 90, 40, 33, padding=padding)
    found = plan.share(sizes), plan.merge(x, plan.share(sizes)[1])
    monkeypatch.setattr(ops, "HAS_NUMBA", False)
    assert_same(found, (plan.share(sizes), plan.merge(x, plan.share(sizes)[1])))
