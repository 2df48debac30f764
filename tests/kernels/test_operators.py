"""The operators that Triton's kernels are behind: their gradients, and what torch.compile relies on."""

from __future__ import annotations

import pytest
import torch
from test_merge import case_of
from triton_kernels import randn

from hf_tome.core.ops import exporting, gpu
from hf_tome.core.ops.kernels import merge


@pytest.mark.parametrize(("tokens", "r"), [(9, 1), (40, 19)])
def test_gradient_equals_that_of_torch(tokens: int, r: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "BLOCK", 16)  # so that there are two blocks of joiners
    plan, x, sizes = case_of(tokens, r, 7)
    _, shares = gpu.share(sizes, *plan.indices)
    grad = randn(2, plan.count, 7, seed=4)
    (expected,) = torch.autograd.grad(plan.merge(x.requires_grad_(), shares), x, grad)
    merged = gpu.merge(x, *plan.indices, shares)
    (found,) = torch.autograd.grad(merged, x, grad.transpose(0, 1).contiguous().transpose(0, 1))
    torch.testing.assert_close(found, expected)
    residual = randn(2, tokens, 7, seed=5).requires_grad_()
    merged = gpu.merge(x, *plan.indices, shares, residual)
    for found in torch.autograd.grad(merged, (x, residual), grad):
        torch.testing.assert_close(found, expected)


def test_the_operators_are_well_formed() -> None:
    """Schemas, shapes without data, and gradients, as torch.compile relies on them."""
    plan, x, sizes = case_of(11, 4, 3)
    metric, (_, shares) = randn(2, 11, 4), gpu.share(sizes, *plan.indices)
    torch.library.opcheck(gpu.decide, (metric[:, None], sizes, True, 4, 1))
    torch.library.opcheck(gpu.share, (sizes, *plan.indices))
    torch.library.opcheck(gpu.merge, (x.requires_grad_(), *plan.indices, shares, x.detach().requires_grad_()))
    norm = torch.ones(3, requires_grad=True), None, 1e-5
    torch.library.opcheck(gpu.merge_norm, (x, *plan.indices, shares, x.detach().requires_grad_(), *norm))
    torch.library.opcheck(gpu.compose, [[part] for part in plan.indices])


def test_only_an_export_hides_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.compile(lambda x: (x, gpu.available()), backend="eager", fullgraph=True)(torch.zeros(1))[1]
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)  # as torch 2.11 says in every compile
    assert not exporting._in_torch_export()
    monkeypatch.setattr(torch.compiler, "_is_exporting_flag", True)
    assert exporting._in_torch_export()


class Exported(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1 if gpu.available() else x


@pytest.mark.parametrize("strict", [True, False])
def test_an_export_holds_torch_operations_alone(strict: bool) -> None:
    x = torch.zeros(1)
    assert torch.equal(torch.export.export(Exported(), (x,), strict=strict).module()(x), x)
