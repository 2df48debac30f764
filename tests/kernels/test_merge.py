"""The merging kernels against a float64 sum; interpreted where there is no GPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from triton_kernels import DEVICE, HALVES, plan_of, randn

from hf_tome.core import MergePlan
from hf_tome.core.ops import gpu


def case_of(
    tokens: int, r: int, features: int, dtype: torch.dtype = torch.float32, padding: bool = False
) -> tuple[MergePlan, Tensor, Tensor]:
    """A plan with features and sizes to merge."""
    plan = plan_of(randn(2, tokens, 4), r, 1)
    sizes = torch.randint(0 if padding else 1, 9, (2, tokens), generator=torch.Generator().manual_seed(1)).float()
    return plan, randn(2, tokens, features, seed=2).to(DEVICE, dtype), sizes.to(DEVICE)


@pytest.mark.parametrize(("tokens", "r"), [(9, 1), (150, 70)])
@pytest.mark.parametrize("padding", [False, True])
def test_sizes_and_shares(tokens: int, r: int, padding: bool) -> None:
    plan, _, sizes = case_of(tokens, r, 1, padding=padding)
    totals, shares = gpu.share(sizes, *plan.indices)
    expected = torch.zeros_like(totals).double().scatter_add(1, plan.groups, sizes.double())
    assert torch.equal(totals.double(), expected)
    share = sizes.double().gather(1, plan.joiners) / expected.gather(1, plan.targets).clamp_min(1e-30)
    torch.testing.assert_close(shares.double(), share, rtol=1e-6, atol=0)


SHAPES = [(9, 1, 1), (40, 19, 33), (150, 70, 5), (12, 3, 2050)]  # tokens, r, features


def expect(tokens: int, r: int, features: int, dtype: torch.dtype, added: bool = False) -> None:
    """The merge is the weighted mean in float64; what is added is rounded as torch rounds it."""
    plan, x, sizes = case_of(tokens, r, features, dtype)
    residual = randn(2, tokens, features, seed=5).to(dtype) if added else None
    if dtype == torch.bfloat16 and residual is not None:  # the interpreter cuts off where a GPU rounds: exact sums
        x, residual = (4 * x).round() / 4, (4 * residual).round() / 4
    totals, shares = gpu.share(sizes, *plan.indices)
    merged = gpu.merge(x, *plan.indices, shares, residual)
    x = x if residual is None else x + residual
    weighted = x.double() * sizes.double()[..., None]
    index = plan.groups[..., None].expand_as(weighted)
    expected = weighted.new_zeros(2, plan.count, features).scatter_add(1, index, weighted)
    torch.testing.assert_close(merged, (expected / totals[..., None]).to(dtype))


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize(("tokens", "r", "features"), SHAPES)
def test_merge_equals_the_oracle(tokens: int, r: int, features: int, added: bool) -> None:
    expect(tokens, r, features, torch.float32, added)


@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize(("tokens", "r", "features"), SHAPES[1:2])
def test_merge_in_half_precision(tokens: int, r: int, features: int, dtype: torch.dtype, added: bool) -> None:
    expect(tokens, r, features, dtype, added)


def test_merge_of_any_strides() -> None:
    plan, _, sizes = case_of(40, 15, 6)
    x = randn(6, 40, 2).to(DEVICE).permute(2, 1, 0)
    _, shares = gpu.share(sizes, *plan.indices)
    expected = plan.merge(x.double(), shares).float()
    torch.testing.assert_close(gpu.merge(x, *plan.indices, shares), expected)
    residual = randn(2, 40, 6, seed=3)
    expected = plan.merge(x + residual, shares)
    torch.testing.assert_close(gpu.merge(x, *plan.indices, shares, residual), expected)
    apart = [torch.stack([part, part], dim=-1)[..., 0] for part in (*plan.indices, shares)]
    assert not any(part.is_contiguous() for part in apart)
    torch.testing.assert_close(gpu.merge(x, *apart, residual), expected)
    torch.testing.assert_close(gpu.share(sizes, *apart[:3])[1], shares)


def test_merge_does_not_overflow_half_precision() -> None:
    plan, x, sizes = case_of(12, 5, 4, torch.float16)
    x = torch.where(x > 0, 60000.0, -60000.0).half()
    _, shares = gpu.share(1e30 * sizes, *plan.indices)
    assert gpu.merge(x, *plan.indices, shares).isfinite().all()
