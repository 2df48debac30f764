"""Which tokens merge: the matching against the oracle, and what must hold for any input."""

from __future__ import annotations

import random

import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hf_tome.core import MergePlan, match_bipartite, max_merge
from hf_tome.core.ops import reference

FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
quick = settings(deadline=None, derandomize=True, max_examples=80)

tokens_and_protected = st.tuples(st.integers(1, 24), st.integers(0, 4))
seeds = st.integers(0, 2**32 - 1)


def random_metric(seed: int, batch: int, tokens: int, channels: int = 6) -> Tensor:
    return torch.randn(batch, tokens, channels, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def tied_metric(seed: int, batch: int, tokens: int, dtype: torch.dtype) -> Tensor:
    """Few directions, whose lengths are powers of 2: duplicates, many ties, and every cosine exact in every dtype."""
    one_axis = 4 * torch.eye(4)
    all_axes = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [-1, -1, 1, 1]])
    kinds = torch.cat([one_axis, all_axes, 0.5 * all_axes, torch.zeros(1, 4)])
    choice = torch.randint(len(kinds), (batch, tokens), generator=torch.Generator().manual_seed(seed))
    return kinds[choice].to(dtype)


def random_padding(seed: int, batch: int, tokens: int) -> Tensor:
    return torch.rand(batch, tokens, generator=torch.Generator().manual_seed(seed + 1)) < 0.3


def expect(plan: MergePlan | None, metric: Tensor, r: int, protected: int, padded: Tensor | None = None) -> None:
    """The plan is the oracle's, sample by sample."""
    for sample, rows in enumerate(metric.double().tolist()):
        merge = oracle.match(rows, r, protected, None if padded is None else padded[sample].tolist())
        if plan is None:
            assert len(merge.members) == len(rows)
        else:
            assert plan.count == len(merge.members)
            assert plan.groups[sample].tolist() == merge.groups


@quick
@given(tokens_and_protected, st.integers(1, 3), st.integers(0, 14), seeds)
def test_plan_equals_the_oracle(shape: tuple[int, int], batch: int, r: int, seed: int) -> None:
    tokens, protected = shape
    metric = random_metric(seed, batch, tokens)
    expect(match_bipartite(metric, r, protected), metric, r, protected)


@quick
@given(tokens_and_protected, st.integers(0, 14), st.sampled_from(FLOATS), seeds)
def test_ties_are_taken_in_index_order_in_every_dtype(
    shape: tuple[int, int], r: int, dtype: torch.dtype, seed: int
) -> None:
    tokens, protected = shape
    metric = tied_metric(seed, 2, tokens, dtype)
    expect(match_bipartite(metric, r, protected), metric, r, protected)


@pytest.mark.parametrize("protected", [0, 1, 2])
def test_ties_are_taken_in_index_order_in_long_sequences(protected: int) -> None:
    """Sorting switches its algorithm with the length, and not every one keeps ties in order."""
    metric = tied_metric(29, 1, 200, torch.float32)
    expect(match_bipartite(metric, 40, protected), metric, 40, protected)


@quick
@given(tokens_and_protected, st.integers(0, 14), st.booleans(), seeds)
def test_padding_equals_the_oracle(shape: tuple[int, int], r: int, tied: bool, seed: int) -> None:
    tokens, protected = shape
    metric = tied_metric(seed, 3, tokens, torch.float32) if tied else random_metric(seed, 3, tokens)
    padded = random_padding(seed, 3, tokens)
    padded[:, :protected] = False
    expect(match_bipartite(metric, r, protected, padded), metric, r, protected, padded)


@quick
@given(tokens_and_protected, st.integers(1, 10**9), st.sampled_from(FLOATS), st.booleans(), st.data())
def test_what_holds_for_any_metric(
    shape: tuple[int, int], r: int, dtype: torch.dtype, with_padding: bool, data: st.DataObject
) -> None:
    """NaN, infinite, huge, tiny and zero keys give a plan too: all groups non-empty, r removed, protected in front."""
    tokens, protected = shape
    numbers = torch.tensor([0.0, 1.0, -1.0, 60000.0, -60000.0, 1e-7, float("nan"), float("inf"), -float("inf")])
    kinds = data.draw(st.lists(st.integers(0, len(numbers) - 1), min_size=1, max_size=12))
    metric = numbers[kinds].repeat(2 * tokens * 3)[: 2 * tokens * 3].view(2, tokens, 3).to(dtype)
    padded = random_padding(r, 2, tokens) if with_padding else None
    plan = match_bipartite(metric, r, protected, padded)
    removed = min(r, oracle.most_removed(tokens, protected))
    if removed == 0:
        assert plan is None
        return
    assert plan is not None
    assert plan.count == tokens - removed
    assert plan.groups.shape == (2, tokens)
    assert plan.groups.dtype == torch.int64
    for groups in plan.groups.tolist():
        assert set(groups) == set(range(plan.count))
        assert groups[:protected] == list(range(protected))
        assert not set(groups[:protected]) & set(groups[protected:])


@pytest.mark.parametrize("most", [1, 7, 40])
def test_scores_in_pieces_equal_the_oracle(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Long inputs are matched some sources at a time."""
    monkeypatch.setattr(reference, "MOST_SCORES", most)
    metric, padded = random_metric(31, 2, 21), random_padding(31, 2, 21)
    padded[:, :1] = False
    expect(match_bipartite(metric, 6, 1), metric, 6, 1)
    expect(match_bipartite(metric, 6, 1, padded), metric, 6, 1, padded)


def test_the_worked_example() -> None:
    """Angles in degrees: 0 and 1 are close, 40 lies next to 42, 44 too; by hand."""
    angles = torch.tensor([[0.0, 1.0, 40.0, 42.0, 90.0, 170.0, 44.5]]).deg2rad()
    metric = torch.stack([angles.cos(), angles.sin()], dim=-1)
    plan = match_bipartite(metric, 2)
    assert plan is not None
    # sources 0, 2, 4, 6; destinations 1, 3, 5; best pairs 0-1 (1 degree), 2-3 (2), 6-3 (2.5), 4-3 (48)
    # kept by falling similarity: 6, 4; then 1 (with 0), 3 (with 2), 5
    assert plan.groups.tolist() == [[2, 2, 3, 3, 1, 4, 0]]
    protected = match_bipartite(metric, 2, protected=1)
    assert protected is not None
    # 0 is protected, so 2-3 and 6-3 merge; kept in index order: 0, 4; then 1, 3 (with 2 and 6), 5
    assert protected.groups.tolist() == [[0, 2, 3, 3, 1, 4, 3]]


def test_distillation_token_stays_second() -> None:
    plan = match_bipartite(random_metric(3, 4, 11), 3, protected=2)
    assert plan is not None
    assert plan.groups[:, :2].tolist() == [[0, 1]] * 4


@pytest.mark.parametrize(
    ("tokens", "protected", "most"),
    [(197, 1, 98), (198, 2, 98), (198, 1, 98), (1568, 0, 784), (1, 0, 0), (2, 0, 1), (2, 1, 0), (1, 3, 0), (0, 0, 0)],
)
def test_cap_is_half_of_the_mergeable_tokens(tokens: int, protected: int, most: int) -> None:
    assert max_merge(tokens, protected) == most == oracle.most_removed(tokens, protected)


@pytest.mark.parametrize("r", [0, -1, -(10**9)])
def test_nothing_to_merge_is_no_plan(r: int) -> None:
    assert match_bipartite(random_metric(0, 1, 8), r) is None


def test_an_empty_batch_has_an_empty_plan() -> None:
    plan = match_bipartite(torch.randn(0, 9, 4), 3, protected=1)
    assert plan is not None
    assert plan.groups.shape == (0, 9)
    assert plan.count == 6


def test_padding_merges_before_the_best_real_pair() -> None:
    metric = torch.ones(1, 8, 2)  # every real pair has the best similarity there is
    padded = torch.tensor([[False, False, False, False, True, False, True, False]])
    plan = match_bipartite(metric, 2, padded=padded)
    assert plan is not None
    alone = [old for old in (0, 2) if plan.groups[0].tolist().count(plan.groups[0, old].item()) == 1]
    assert alone == [0, 2]


def test_real_tokens_avoid_padded_destinations() -> None:
    metric = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]])  # 1 is the same as 0 and 2, 3 opposite
    padded = torch.tensor([[False, True, False, False]])
    plan = match_bipartite(metric, 2, padded=padded)
    assert plan is not None
    groups = plan.groups[0].tolist()
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_padding_of_one_sample_leaves_the_others_alone() -> None:
    metric = random_metric(5, 2, 12)
    padded = torch.zeros(2, 12, dtype=torch.bool)
    padded[1, 7:] = True
    with_padding, without = match_bipartite(metric, 4, 1, padded), match_bipartite(metric, 4, 1)
    assert with_padding is not None
    assert without is not None
    assert torch.equal(with_padding.groups[0], without.groups[0])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_keys_are_compared_in_float32(dtype: torch.dtype) -> None:
    metric = random_metric(7, 2, 200, 32).to(dtype)
    expect(match_bipartite(metric, 40, 1), metric, 40, 1)


def test_double_precision_keys_are_compared_in_double_precision() -> None:
    """Destinations 1 and 3 lie 45 degrees from source 0, and 3 is nearer by an angle that float32 cannot hold."""
    angles = torch.tensor([[0.0, 0.25, 1.0, 0.25 - 1e-10]], dtype=torch.float64) * torch.pi
    plan = match_bipartite(torch.stack([angles.cos(), angles.sin()], dim=-1), 1)
    assert plan is not None
    assert plan.groups[0, 0] == plan.groups[0, 3]


def test_autocast_does_not_round_the_similarities() -> None:
    metric = random_metric(11, 1, 300, 64).float()
    plain = match_bipartite(metric, 60)
    with torch.autocast("cpu", torch.bfloat16):
        inside = match_bipartite(metric, 60)
    assert plain is not None
    assert inside is not None
    assert torch.equal(plain.groups, inside.groups)


def test_strides_do_not_matter() -> None:
    wide = random_metric(13, 2, 40, 12)
    views = [wide[:, ::2, ::3], wide.transpose(0, 1)[:20].transpose(0, 1), wide.flip(1)[:, :15]]
    for metric in views:
        expect(match_bipartite(metric, 6, 1), metric, 6, 1)
    assert not all(metric.is_contiguous() for metric in views)


def test_inputs_are_not_written_on() -> None:
    metric, padded = random_metric(17, 2, 10), random_padding(17, 2, 10)
    before = metric.clone(), padded.clone()
    match_bipartite(metric, 3, 2, padded)
    assert torch.equal(metric, before[0])
    assert torch.equal(padded, before[1])


def test_no_gradient_flows_through_the_matching() -> None:
    metric = random_metric(19, 1, 10).requires_grad_()
    kept: list[Tensor] = []  # what autograd would keep alive until the backward
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        plan = match_bipartite(metric, 3)
    assert not kept
    assert plan is not None
    assert not plan.groups.requires_grad
    x = metric * 2  # features and metric of one origin, as in a layer
    sizes = torch.ones(1, 10)
    totals, shares = plan.share(sizes)
    plan.merge(x, shares).sum().backward()
    share = 1 / totals.gather(1, plan.groups).double()
    assert metric.grad is not None
    torch.testing.assert_close(metric.grad, 2 * share[..., None].expand_as(metric))  # of the mean alone


def test_random_numbers_are_left_alone() -> None:
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    match_bipartite(tied_metric(23, 2, 20, torch.float32), 5, 1)
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
