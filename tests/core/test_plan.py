"""What a merge does to tensors: merge, unmerge, shares and compose against the oracle."""

from __future__ import annotations

import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hf_tome.core import MergePlan, compose, match_bipartite, spread

quick = settings(deadline=None, derandomize=True, max_examples=60)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_plan(seed: int, batch: int, tokens: int, count: int) -> MergePlan:
    """Any plan there can be, not only those that the matching makes."""
    order = torch.stack([torch.randperm(tokens, generator=generator(seed + b)) for b in range(batch)])
    targets = torch.randint(count, (batch, tokens - count), generator=generator(seed + batch))
    return MergePlan(order[:, :count], order[:, count:], targets)


def as_oracle(plan: MergePlan, sample: int) -> oracle.Merge:
    members = [[leader] for leader in plan.leaders[sample].tolist()]
    for joiner, target in zip(plan.joiners[sample].tolist(), plan.targets[sample].tolist(), strict=True):
        members[target].append(joiner)
    return oracle.Merge(members)


def random_sizes(seed: int, batch: int, tokens: int, padding: bool = False) -> Tensor:
    """Counts of 1 to 9, and of 0 where there is padding."""
    return torch.randint(0 if padding else 1, 10, (batch, tokens), generator=generator(seed)).double()


@st.composite
def plans(draw: st.DrawFn) -> MergePlan:
    tokens = draw(st.integers(1, 20))
    return random_plan(draw(st.integers(0, 2**31)), draw(st.integers(1, 3)), tokens, draw(st.integers(1, tokens)))


@quick
@given(plans(), st.booleans(), st.integers(1, 4), st.integers(0, 2**31))
def test_merge_and_unmerge_equal_the_oracle(plan: MergePlan, padding: bool, channels: int, seed: int) -> None:
    batch, tokens = plan.groups.shape
    x = torch.randn(batch, tokens, channels, dtype=torch.float64, generator=generator(seed))
    sizes = random_sizes(seed, batch, tokens, padding)
    totals, shares = plan.share(sizes)
    merged = plan.merge(x, shares)
    back = plan.unmerge(merged)
    assert shares.shape == (batch, tokens - plan.count)
    assert ((shares >= 0) & (shares <= 1)).all()
    assert totals.sum(1).tolist() == sizes.sum(1).tolist()
    for b in range(batch):
        expected = as_oracle(plan, b)
        assert totals[b].tolist() == expected.sizes(sizes[b].tolist())
        rows = expected.merge(x[b].tolist(), sizes[b].tolist())
        torch.testing.assert_close(merged[b], torch.tensor(rows, dtype=torch.float64))
        assert back[b].tolist() == expected.unmerge(merged[b].tolist())


@quick
@given(plans(), st.integers(0, 2**31))
def test_unmerge_then_merge_changes_nothing(plan: MergePlan, seed: int) -> None:
    """And so merge(h + unmerge(y)) = merge(h) + y, which the engine rests on."""
    batch, tokens = plan.groups.shape
    y = torch.randn(batch, plan.count, 3, dtype=torch.float64, generator=generator(seed))
    h = torch.randn(batch, tokens, 3, dtype=torch.float64, generator=generator(seed + 1))
    sizes = random_sizes(seed, batch, tokens)
    _, shares = plan.share(sizes)
    torch.testing.assert_close(plan.merge(plan.unmerge(y), shares), y)
    torch.testing.assert_close(plan.merge(h + plan.unmerge(y), shares), plan.merge(h, shares) + y)


@quick
@given(st.integers(0, 2**31), st.integers(1, 3), st.integers(1, 20), st.data())
def test_compose_is_one_after_the_other(seed: int, batch: int, tokens: int, data: st.DataObject) -> None:
    """Up to four merges with layers between them that merge nothing."""
    x = torch.randn(batch, tokens, 2, dtype=torch.float64, generator=generator(seed))
    sizes = random_sizes(seed, batch, tokens)
    layers: list[MergePlan | None] = []
    expected = [oracle.Merge([[token] for token in range(tokens)]) for _ in range(batch)]
    now, now_sizes, left = x, sizes, tokens
    for layer in range(data.draw(st.integers(0, 4))):
        if data.draw(st.booleans()):
            layers.append(None)
            continue
        plan = random_plan(seed + layer, batch, left, left := data.draw(st.integers(1, left)))
        layers.append(plan)
        now_sizes, shares = plan.share(now_sizes)
        now = plan.merge(now, shares)
        expected = [oracle.then(before, as_oracle(plan, b)) for b, before in enumerate(expected)]
    whole = compose(layers)
    if whole is None:
        assert all(plan is None for plan in layers)
        return
    assert whole.tolist() == [merge.groups for merge in expected]
    unmerged = now
    for plan in reversed(layers):
        unmerged = unmerged if plan is None else plan.unmerge(unmerged)
    assert torch.equal(spread(now, whole), unmerged)


def test_compose_of_nothing_is_nothing() -> None:
    assert compose([]) is None
    assert compose([None, None]) is None


def test_compose_of_one_is_its_groups() -> None:
    plan = random_plan(0, 2, 9, 5)
    assert torch.equal(compose([None, plan, None]), plan.groups)


def test_compose_takes_any_iterable() -> None:
    plan = random_plan(0, 2, 9, 5)
    assert torch.equal(compose(iter([plan])), plan.groups)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_huge_sizes_do_not_overflow_half_precision(dtype: torch.dtype) -> None:
    """x times size would be infinite in fp16: the shares are shares, so nothing exceeds the largest value."""
    plan = random_plan(3, 2, 64, 5)
    x = torch.full((2, 64, 4), 60000.0, dtype=dtype)
    for factor in (1.0, 1e5, 1e30):
        sizes = random_sizes(3, 2, 64).float() * factor
        _, shares = plan.share(sizes)
        merged = plan.merge(x, shares)
        assert merged.dtype == dtype
        assert shares.max() <= 1
        torch.testing.assert_close(merged.float(), torch.full((2, 5, 4), 60000.0), rtol=0.03, atol=0)


def pairs() -> MergePlan:
    """0 with 2, 1 with 3."""
    return MergePlan(torch.tensor([[0, 1]]), torch.tensor([[2, 3]]), torch.tensor([[0, 1]]))


def test_a_group_of_padding_is_its_leader_and_not_nan() -> None:
    plan = pairs()
    sizes = torch.tensor([[0.0, 2.0, 0.0, 0.0]])
    _, shares = plan.share(sizes)
    assert shares.tolist() == [[0.0, 0.0]]
    x = torch.tensor([[[5.0], [7.0], [6.0], [9.0]]])
    assert plan.merge(x, shares).tolist() == [[[5.0], [7.0]]]


def test_opposite_values_do_not_overflow_half_precision() -> None:
    """Their difference would be infinite in fp16."""
    plan, sizes = pairs(), torch.ones(1, 4)
    x = torch.tensor([[[60000.0], [1.0], [-60000.0], [3.0]]], dtype=torch.float16)
    assert plan.merge(x, plan.share(sizes)[1]).tolist() == [[[0.0], [2.0]]]


def test_nan_stays_in_its_group() -> None:
    plan = pairs()
    sizes = torch.ones(1, 4)
    merged = plan.merge(torch.tensor([[[1.0], [float("nan")], [3.0], [4.0]]]), plan.share(sizes)[1])
    assert merged[0, 0].tolist() == [2.0]
    assert merged[0, 1].isnan().all()


def test_gradients_of_merge_and_unmerge() -> None:
    plan = random_plan(5, 2, 7, 4)
    sizes = random_sizes(5, 2, 7)
    shares = plan.share(sizes)[1].requires_grad_()
    x = torch.randn(2, 7, 3, dtype=torch.float64, generator=generator(5), requires_grad=True)
    y = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator(6), requires_grad=True)
    assert torch.autograd.gradcheck(plan.merge, (x, shares))
    assert torch.autograd.gradcheck(plan.unmerge, (y,))


@pytest.mark.parametrize("shape", [(), (3,), (3, 2)])
def test_unmerge_fits_tensors_of_any_rank(shape: tuple[int, ...]) -> None:
    plan = random_plan(7, 2, 9, 5)
    x = torch.randint(10, (2, 5, *shape), generator=generator(7))
    back = plan.unmerge(x)
    assert back.shape == (2, 9, *shape)
    for b in range(2):
        for token, group in enumerate(plan.groups[b]):
            assert torch.equal(back[b, token], x[b, group])


def test_strides_do_not_matter() -> None:
    plan = random_plan(11, 3, 8, 5)
    x = torch.randn(8, 4, 3, generator=generator(11)).permute(2, 0, 1)
    sizes = random_sizes(11, 8, 3).t()
    _, shares = plan.share(sizes)
    expected = plan.merge(x.contiguous(), shares.contiguous())
    assert torch.equal(plan.merge(x, shares), expected)
    turned = MergePlan(*(part.t().contiguous().t() for part in (plan.leaders, plan.joiners, plan.targets)))
    assert not turned.leaders.is_contiguous()
    assert torch.equal(turned.merge(x, shares), expected)
    assert torch.equal(turned.unmerge(expected.transpose(1, 2).contiguous().transpose(1, 2)), plan.unmerge(expected))


def test_size_is_conserved_down_to_the_last_pair() -> None:
    """r tokens a layer until two are left; counts up to 2^24 are exact in float32."""
    metric = torch.randn(2, 200, 8, generator=generator(13))
    sizes = torch.ones(2, 200)
    while (plan := match_bipartite(metric, 7, protected=1)) is not None:
        sizes, shares = plan.share(sizes)
        metric = plan.merge(metric, shares)
        assert sizes.sum(1).tolist() == [200.0, 200.0]
        assert sizes[:, 0].tolist() == [1.0, 1.0]
    assert sizes.shape[1] == 2
