"""The matching kernels against the oracle; interpreted where there is no GPU."""

from __future__ import annotations

import oracle
import pytest
import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from triton_kernels import DEVICE, HALVES, plan_of, randn

from hf_tome.core import match_bipartite
from hf_tome.core.ops import gpu

# tokens, channels, protected, r: odd and even counts, more than one block of sources, joiners and channels
SHAPES = [(9, 3, 0, 2), (12, 16, 1, 4), (21, 70, 2, 9), (150, 6, 1, 70), (11, 5, 3, 1)]


def expect(metric: Tensor, r: int, protected: int, padded: Tensor | None = None) -> None:
    """The kernels' plan is the oracle's, sample by sample."""
    plan = plan_of(metric, r, protected, padded)
    for sample, rows in enumerate(metric.double().tolist()):
        merge = oracle.match(rows, r, protected, None if padded is None else padded[sample].tolist())
        assert plan.groups[sample].tolist() == merge.groups


@pytest.mark.parametrize(("tokens", "channels", "protected", "r"), SHAPES)
def test_match_equals_the_oracle(tokens: int, channels: int, protected: int, r: int) -> None:
    expect(randn(2, tokens, channels), r, protected)


@pytest.mark.parametrize(("tokens", "channels", "protected", "r"), SHAPES[:3])
def test_padding_equals_the_oracle(tokens: int, channels: int, protected: int, r: int) -> None:
    padded = randn(3, tokens, seed=1) < -0.5
    padded[1, 1::2] = True
    padded[1, protected + 1 - protected % 2] = False  # one destination is left for all, however far it is
    padded[2] = True
    padded[:, :protected] = False
    expect(randn(3, tokens, channels), r, protected, padded)


def few_directions(protected: int) -> Tensor:
    """All cosines are exact: equal similarities are taken in index order."""
    kinds = torch.tensor([[4, 0, 0, 0], [0, 4, 0, 0], [1, 1, 1, 1], [2, -2, 2, -2], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0]])
    choice = torch.randint(len(kinds), (2, 150), generator=torch.Generator().manual_seed(3 + protected))
    return kinds[choice].to(DEVICE)


@pytest.mark.parametrize("protected", [0, 1, 2])
def test_ties_duplicates_and_zero_keys(protected: int) -> None:
    expect(few_directions(protected), 30, protected)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_compared_in_float32(dtype: torch.dtype) -> None:
    expect(randn(1, 100, 70, seed=5).to(dtype), 25, 1)
    expect(few_directions(0).to(dtype), 30, 0)


def test_strides_do_not_matter() -> None:
    wide = randn(2, 40, 12)
    for metric in (wide[:, ::2, ::3], wide.transpose(0, 1)[:20].transpose(0, 1), wide.transpose(1, 2)[:, :, :30]):
        assert not metric.is_contiguous()
        expect(metric, 4, 1)


@pytest.mark.parametrize("with_padding", [False, True])
def test_numbers_that_are_none_give_the_same_plan_as_torch(with_padding: bool) -> None:
    numbers = torch.tensor([0.0, 1.0, -1.0, 60000.0, -60000.0, 1e-7, float("nan"), float("inf"), -float("inf")])
    metric = numbers[torch.randint(9, (3, 20, 2), generator=torch.Generator().manual_seed(7))].to(DEVICE)
    metric[2] = float("nan")
    padded = randn(3, 20, seed=9) < 0 if with_padding else None
    plan = plan_of(metric, 6, 0, padded)
    expected = match_bipartite(metric.cpu(), 6, 0, None if padded is None else padded.cpu())
    assert expected is not None
    for name in ("leaders", "joiners", "targets"):
        assert torch.equal(getattr(plan, name).cpu(), getattr(expected, name))


@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
def test_tensors_on_a_gpu_go_by_the_kernels(monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype) -> None:
    """On a GPU without data, which every machine has."""
    seen, decide = [], gpu.decide
    monkeypatch.setattr(gpu, "decide", lambda *args: seen.append(args) or decide(*args))
    with FakeTensorMode():
        plan = match_bipartite(torch.empty(2, 20, 8, device="cuda", dtype=dtype), 4, 1)
        assert plan is not None
        _, shares = plan.share(torch.empty(2, 20, device="cuda"))
        merged = plan.merge(torch.empty(2, 20, 5, device="cuda", dtype=dtype), shares)
        assert not gpu.takes(torch.empty(2, 20, 8, device="cuda", dtype=torch.float64))
        assert not gpu.takes(torch.empty(2, 20, 8, dtype=dtype))
    assert (merged.shape, merged.dtype, merged.device.type) == ((2, 16, 5), dtype, "cuda")
    assert len(seen) == 1
