"""Token sizes that reach attention through its values, against attention in float64."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import pad
from torch.nn.functional import scaled_dot_product_attention as attention

from benchmarks.sizes_in_values import WIDTH, divided, with_sizes


@pytest.mark.parametrize(
    ("dtype", "most"), [(torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 2e-2)], ids=str
)
def test_sizes_in_the_values(dtype: torch.dtype, most: float) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(3, 3, n, 16, generator=generator).to(dtype) for n in (5, 7, 7))
    value = 1000 * value  # times a size of 1,568 it would overflow in float16
    sizes = torch.tensor([[1, 1, 1568, 3, 0, 2, 7], [1.0, 1, 1, 2, 1, 1, 0], [0] * 7])
    wide = with_sizes(value, sizes)
    assert wide.isfinite().all()
    out = divided(attention(*(pad(each, (0, WIDTH)) for each in (query, key)), wide, scale=0.25))
    weights = (query.double() @ key.double().mT / 4).exp() * torch.where(sizes.any(dim=1, keepdim=True), sizes, 1)[
        :, None, None
    ]
    expected = weights @ value.double() / weights.sum(dim=-1, keepdim=True)
    assert (out.shape, out.dtype) == (value[:, :, :5].shape, dtype)
    assert (out - expected).norm() < most * expected.norm()


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, 2, 5, 4, generator=generator).double().requires_grad_() for _ in range(3))
    sizes = torch.tensor([[1.0, 3, 0, 2, 1]])
    assert torch.autograd.gradcheck(lambda q, k, v: divided(attention(q, k, with_sizes(v, sizes))), (query, key, value))
