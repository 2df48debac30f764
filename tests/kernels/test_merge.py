"""The merging kernels against a float64 sum and torch's gradients, run by Triton's interpreter without a GPU."""

from __future__ import annotations

import pytest
import torch
from gpu import DEVICE, HALVES, parts, plan_of, randn
from torch import Tensor

from hf_tome.core import MergePlan, fused


def case_of(
    tokens: int, r: int, features: int, dtype: torch.dtype, padding: bool = False
) -> tuple[MergePlan, Tensor, Tensor]:
    """A plan with features and sizes to merge."""
    plan = plan_of(randn(2, tokens, 4), r, 1)
    sizes = torch.randint(0 if padding else 1, 9, (2, tokens), generator=torch.Generator().manual_seed(1)).float()
    return plan, randn(2, tokens, features, seed=2).to(dtype), sizes.to(DEVICE)


@pytest.mark.parametrize(("tokens", "r"), [(9, 1), (40, 19), (290, 140)])
@pytest.mark.parametrize("padding", [False, True])
def test_sizes_and_shares(tokens: int, r: int, padding: bool) -> None:
    plan, _, sizes = case_of(tokens, r, 1, torch.float32, padding)
    totals, shares = fused.share(sizes, *parts(plan))
    expected = torch.zeros_like(totals).double().scatter_add(1, plan.groups, sizes.double())
    assert torch.equal(totals.double(), expected)
    share = sizes.double().gather(1, plan.joiners) / expected.gather(1, plan.targets).clamp_min(1e-30)
    torch.testing.assert_close(shares.double(), share, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
@pytest.mark.parametrize(("tokens", "r", "features"), [(9, 1, 1), (40, 19, 33), (290, 140, 5), (12, 3, 2050)])
def test_merge_equals_the_oracle(tokens: int, r: int, features: int, dtype: torch.dtype) -> None:
    plan, x, sizes = case_of(tokens, r, features, dtype)
    totals, shares = fused.share(sizes, *parts(plan))
    merged = fused.merge(x, *parts(plan), shares)
    weighted = x.double() * sizes.double()[..., None]
    index = plan.groups[..., None].expand_as(weighted)
    expected = torch.zeros(2, plan.count, features, dtype=torch.float64, device=DEVICE).scatter_add(1, index, weighted)
    torch.testing.assert_close(merged, (expected / totals[..., None]).to(dtype))


def test_merge_of_any_strides() -> None:
    plan, _, sizes = case_of(40, 15, 6, torch.float32)
    x = randn(6, 40, 2).permute(2, 1, 0)
    _, shares = fused.share(sizes, *parts(plan))
    torch.testing.assert_close(fused.merge(x, *parts(plan), shares), plan.merge(x, shares))


def test_merge_does_not_overflow_half_precision() -> None:
    plan, x, sizes = case_of(12, 5, 4, torch.float16)
    x = torch.where(x > 0, 60000.0, -60000.0).half()
    _, shares = fused.share(1e30 * sizes, *parts(plan))
    assert fused.merge(x, *parts(plan), shares).isfinite().all()


@pytest.mark.parametrize(("tokens", "r"), [(9, 1), (40, 19), (290, 140)])
def test_gradient_equals_that_of_torch(tokens: int, r: int) -> None:
    plan, x, sizes = case_of(tokens, r, 7, torch.float32)
    _, shares = fused.share(sizes, *parts(plan))
    grad = randn(2, plan.count, 7, seed=4)
    (expected,) = torch.autograd.grad(plan.merge(x.requires_grad_(), shares), x, grad)
    merged = fused.merge(x, *parts(plan), shares)
    (found,) = torch.autograd.grad(merged, x, grad.transpose(0, 1).contiguous().transpose(0, 1))
    torch.testing.assert_close(found, expected)


def test_the_operators_are_well_formed() -> None:
    """Schemas, shapes without data, and gradients, as torch.compile relies on them."""
    plan, x, sizes = case_of(11, 4, 3, torch.float32)
    _, shares = fused.share(sizes, *parts(plan))
    torch.library.opcheck(fused.match, (randn(2, 11, 4), 4, 1, sizes == 0))
    torch.library.opcheck(fused.share, (sizes, *parts(plan)))
    torch.library.opcheck(fused.merge, (x.requires_grad_(), *parts(plan), shares))
