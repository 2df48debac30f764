"""The operators that Triton's kernels are behind: their gradients, and what torch.compile relies on."""

from __future__ import annotations

import pytest
import torch
from kinds import TRITON, parts, randn
from test_merge import case_of

from hf_tome.core.ops import fused


@pytest.mark.parametrize(("tokens", "r"), [(9, 1), (40, 19), (290, 140)])
def test_gradient_equals_that_of_torch(tokens: int, r: int) -> None:
    plan, x, sizes = case_of(TRITON, tokens, r, 7)
    _, shares = fused.share(sizes, *parts(plan))
    grad = randn(2, plan.count, 7, seed=4)
    (expected,) = torch.autograd.grad(plan.merge(x.requires_grad_(), shares), x, grad)
    merged = fused.merge(x, *parts(plan), shares)
    (found,) = torch.autograd.grad(merged, x, grad.transpose(0, 1).contiguous().transpose(0, 1))
    torch.testing.assert_close(found, expected)


def test_the_operators_are_well_formed() -> None:
    """Schemas, shapes without data, and gradients, as torch.compile relies on them."""
    plan, x, sizes = case_of(TRITON, 11, 4, 3)
    _, shares = fused.share(sizes, *parts(plan))
    torch.library.opcheck(fused.match, (randn(2, 11, 4), 4, 1, sizes == 0))
    torch.library.opcheck(fused.share, (sizes, *parts(plan)))
    torch.library.opcheck(fused.merge, (x.requires_grad_(), *parts(plan), shares))
