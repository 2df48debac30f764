"""Residual, merge and norm in one launch against float64; interpreted where there is no GPU."""

from __future__ import annotations

import pytest
import torch
from test_merge import case_of
from torch import Tensor, nn
from torch.nn.functional import layer_norm
from triton_kernels import DEVICE, HALVES, randn

from hf_tome.core import MergePlan, ops

SHAPES = [(9, 1, 1), (20, 9, 33), (8, 3, 2050)]  # tokens, r, features


def norm_of(features: int, kind: str, dtype: torch.dtype = torch.float32) -> nn.LayerNorm:
    """A norm with weights that are not all 1 and 0, or with fewer of them."""
    options = {"affine": {}, "no bias": {"bias": False}, "plain": {"elementwise_affine": False}}[kind]
    norm = nn.LayerNorm(features, eps=1e-3, device=DEVICE, dtype=dtype, **options)
    with torch.no_grad():
        for seed, weight in enumerate(norm.parameters()):
            weight.copy_(1 + 0.5 * randn(features, seed=seed))
    return norm


def residual_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """x and a residual; in half precision of few bits, since the interpreter cuts off where a GPU rounds."""
    residual = randn(*x.shape, seed=5).to(x.dtype)
    return (x, residual) if x.dtype == torch.float32 else ((4 * x).round() / 4, (4 * residual).round() / 4)


def expect(plan: MergePlan, x: Tensor, residual: Tensor, sizes: Tensor, norm: nn.LayerNorm) -> None:
    """The mean of each group by the sizes, and the norm of that as it is stored."""
    totals, shares = plan.share(sizes)
    merged, normed = ops.merge_norm(x, *plan.indices, shares, residual, norm)
    index, weight = plan.groups[..., None].expand_as(x), torch.where(plan.unmerge(totals) > 0, sizes, 1)[..., None]
    weighted = (x.double() + residual.double()) * weight.double()
    expected = torch.zeros_like(merged).double().scatter_add(1, index, weighted)
    expected /= torch.zeros_like(merged).double().scatter_add(1, index, weight.double().expand_as(x))
    real = totals > 0  # a group of padding alone has its leader's features
    torch.testing.assert_close(merged[real], expected.to(x.dtype)[real])
    affine = [None if each is None else each.double() for each in (norm.weight, norm.bias)]
    torch.testing.assert_close(normed, layer_norm(merged.double(), x.shape[2:], *affine, norm.eps).to(x.dtype))


@pytest.mark.parametrize(("tokens", "r", "features"), SHAPES)
@torch.no_grad()
def test_it_is_merge_and_norm(tokens: int, r: int, features: int) -> None:
    plan, x, sizes = case_of(tokens, r, features)
    expect(plan, *residual_of(x), sizes, norm_of(features, "affine"))


@pytest.mark.parametrize("kind", ["affine", "no bias", "plain"])
@torch.no_grad()
def test_padding(kind: str) -> None:
    plan, x, sizes = case_of(20, 9, 33, padding=True)
    assert (sizes == 0).any()
    expect(plan, *residual_of(x), sizes, norm_of(33, kind))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("kind", ["affine", "plain"])
@torch.no_grad()
def test_half_precision(dtype: torch.dtype, kind: str) -> None:
    plan, x, sizes = case_of(20, 9, 33, dtype)
    expect(plan, *residual_of(x), sizes, norm_of(33, kind, dtype))


@torch.no_grad()
def test_any_strides() -> None:
    plan, _, sizes = case_of(20, 7, 6)
    x, residual = (randn(6, 20, 2, seed=seed).permute(2, 1, 0) for seed in (2, 3))
    apart = MergePlan(*(torch.stack([part, part], dim=-1)[..., 0] for part in plan.indices))
    assert not any(part.is_contiguous() for part in (x, residual, *apart.indices))
    for each in (residual, residual.contiguous()):
        expect(apart, x, each, sizes, norm_of(6, "affine"))


@pytest.mark.parametrize("kind", ["affine", "plain"])
def test_gradient_equals_that_of_torch(kind: str) -> None:
    plan, x, sizes = case_of(12, 5, 7)
    _, shares = plan.share(sizes)
    norm, grads = norm_of(7, kind), (randn(2, plan.count, 7, seed=6), randn(2, plan.count, 7, seed=7))
    x, residual = (each.requires_grad_() for each in residual_of(x))
    wanted = [x, residual, *norm.parameters()]
    merged = plan.merge(x + residual, shares)
    both, ours = (merged, norm(merged)), ops.merge_norm(x, *plan.indices, shares, residual, norm)
    for used in ((0, 1), (0,), (1,)):  # a layer uses both; a gradient that is absent is none
        given = [grads[i] for i in used]
        expected = torch.autograd.grad([both[i] for i in used], wanted, given, retain_graph=True, allow_unused=True)
        found = torch.autograd.grad([ours[i] for i in used], wanted, given, retain_graph=True, allow_unused=True)
        for mine, other in zip(found, expected, strict=True):
            torch.testing.assert_close(mine, torch.zeros_like(mine) if other is None else other)
