"""A merge decided by Triton's kernels against plain torch; interpreted where there is no GPU."""

from __future__ import annotations

import pytest
import torch
from comparison import assert_same
from test_match import few_directions
from torch import Tensor
from triton_kernels import DEVICE, randn

from hf_tome.core.ops import gpu, reference

pytestmark = pytest.mark.filterwarnings("ignore:divide by zero")  # the logarithm of a size of 0, and of no group


def expect(keys: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int) -> None:
    """The plan and the shares are those of plain torch; log-sizes too, in the dtype of the keys."""
    keys, sizes = keys.to(DEVICE), None if sizes is None else sizes.to(DEVICE)
    given = keys, sizes, padding, r, protected
    (*found, logs), (*expected, expected_logs) = gpu.decide(*given), reference.decide(*given)
    assert_same(found, expected)
    torch.testing.assert_close(logs, expected_logs)
    assert all(stride % 8 == 0 for stride in logs.stride()[:3])  # so that memory-efficient attention makes no copy


def some_sizes(tokens: int) -> Tensor:
    """Of three samples; zeros among them, but not in the first two tokens."""
    sizes = torch.randint(0, 4, (3, tokens), generator=torch.Generator().manual_seed(1)).float()
    sizes[:, :2] = 1
    return sizes


@pytest.mark.parametrize(
    ("tokens", "channels", "protected", "r", "sized"),
    [(9, 3, 1, 2, False), (20, 40, 0, 6, True), (150, 4, 2, 70, True)],
)
def test_all_at_once(tokens: int, channels: int, protected: int, r: int, sized: bool) -> None:
    keys = randn(3, tokens, 2, channels).transpose(1, 2)
    expect(keys, some_sizes(tokens) if sized else None, False, r, protected)


@pytest.mark.parametrize("protected", [0, 2])
def test_padding(protected: int) -> None:
    sizes = some_sizes(21)
    sizes[2, 2:] = 0
    expect(randn(3, 2, 21, 5), sizes, True, 8, protected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_ties_zero_keys_and_nan(dtype: torch.dtype) -> None:
    keys = few_directions(0)[:, None, :80]
    keys[1, :, 7] = float("nan")
    expect(keys.to(dtype), None, False, 30, 0)


def test_many_tokens_take_several_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    from hf_tome.core.ops.kernels import decide

    keys, sizes = randn(3, 2, 21, 5), some_sizes(21).to(DEVICE)
    found = [gpu.decide(part, sizes, True, 8, 1) for part in (keys, keys.mean(dim=1)[:, None])]
    monkeypatch.setattr(decide, "MOST_TOKENS", 20)
    found += [gpu.decide(part, sizes, True, 8, 1) for part in (keys, keys.mean(dim=1)[:, None])]
    for each in found[1:]:
        assert_same(each, found[0])
    totals = gpu.decide(keys, None, False, 8, 1)[3]
    assert totals.sum(dim=1).tolist() == [21, 21, 21]
