"""Every matching, distance, partition and combination against the slow oracle; padding, seeds, half precision."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np
import pytest
import slow
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from hf_tome.core import Candidates, MergePlan, Recipe, compose
from hf_tome.core.options.combine import COMBINES
from hf_tome.core.options.draw import draw
from hf_tome.core.options.matchings import MATCHINGS
from hf_tome.core.options.partition import PARTITIONS

quick = settings(deadline=None, derandomize=True, max_examples=25)
CHOICES = [
    *(("bipartite", distance, "alternating") for distance in ("cosine", "euclidean", "dot", "softmax")),
    ("bipartite", "cosine", "sequential"),
    ("bipartite", "euclidean", "random"),
    ("bipartite", "cosine", "energy"),
    ("bipartite", "euclidean", "energy"),
    *((matching, "cosine", "alternating") for matching in MATCHINGS if matching != "bipartite"),
    *(("kth", "softmax", "alternating"), ("greedy", "euclidean", "alternating"), ("greedy", "dot", "alternating")),
    *(("kmeans", "euclidean", "alternating"), ("attention_prune", "softmax", "alternating")),
]
each_choice = pytest.mark.parametrize(("matching", "distance", "partition"), CHOICES, ids=lambda each: each)


def layer(
    matching: str, distance: str, partition: str, *, seed: int = 0, batch: int = 2, tokens: int = 13, r: int = 3,
    protected: int = 1, padding: bool = False, dtype: torch.dtype = torch.float64,
) -> tuple[Candidates, Recipe]:  # fmt: skip
    """A random layer; with padding, some mergeable tokens of each sample are padding, anywhere."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(1, 5, (batch, tokens), generator=generator).double()
    if padding:
        for sample in range(batch):
            places = protected + torch.randperm(tokens - protected, generator=generator)
            sizes[sample, places[1 + (seed + 3 * sample) % (tokens - protected) :]] = 0
    drawn = seed % 7 if partition == "random" or matching == "random_prune" else 0
    recipe = Recipe.of("k", "mean", distance, partition, matching, None, drawn)
    metric = torch.randn(batch, tokens, 6, generator=generator, dtype=torch.float64).to(dtype)
    attention = torch.rand(batch, tokens, generator=generator, dtype=torch.float64)
    padded = sizes == 0 if padding else None
    own = recipe.distance, recipe.partition, recipe.seed
    return Candidates(metric, r, protected, sizes, padded, attention, seed % 4, 4, *own), recipe


def samples(given: Candidates, distance: str, partition: str) -> list[slow.Sample]:
    padded = given.sizes == 0 if given.padded is not None else torch.zeros_like(given.sizes, dtype=torch.bool)
    assert given.attention is not None
    return [
        slow.Sample(
            given.metric[sample].double().tolist(), given.r, given.protected, padded[sample].tolist(),
            given.attention[sample].tolist(), given.layer, given.layers, distance, partition, given.seed,
        )
        for sample in range(len(given.metric))
    ]  # fmt: skip


def joins(plan: MergePlan | None, sample: int) -> slow.Joins:
    """Which token goes into which."""
    assert plan is not None
    leaders = plan.leaders[sample].tolist()
    pairs = zip(plan.joiners[sample].tolist(), plan.targets[sample].tolist(), strict=True)
    return {joiner: leaders[target] for joiner, target in pairs}


def members(joins: slow.Joins) -> set[frozenset[int]]:
    """The groups of more than one token."""
    return {frozenset([leader, *(j for j in joins if joins[j] == leader)]) for leader in joins.values()}


def distinct(values: Iterable[float]) -> bool:
    """Whether no two finite values are equal but for rounding: of two tokens, each is as like the other."""
    finite = sorted(value for value in values if isfinite(value))
    return all(b - a > 1e-9 for a, b in pairwise(finite))


@each_choice
@quick
@given(st.integers(0, 2**20), st.integers(2, 24), st.integers(0, 3), st.booleans(), st.data())
def test_matchings_equal_the_oracle(
    matching: str, distance: str, partition: str, seed: int, mergeable: int, protected: int, padding: bool, data: Any
) -> None:
    r = data.draw(st.integers(1, mergeable // 2))
    shape: dict[str, Any] = {"tokens": mergeable + protected, "protected": protected, "r": r, "padding": padding}
    tokens, recipe = layer(matching, distance, partition, seed=seed, **shape)
    plan = recipe.matching.plan(tokens)
    for sample, expected in enumerate(samples(tokens, distance, partition)):
        if partition == "energy" or matching.startswith("pitome"):
            assume(distinct(slow.energies(expected).values()))
        ours, theirs = joins(plan, sample), slow.MATCHINGS[matching](expected)
        if matching == "kmeans":  # two tokens are equally far from their mean: rounding says which of them leads
            assert members(ours) == members(theirs)
        else:
            assert ours == theirs
    assert plan is not None
    assert plan.leaders[:, :protected].tolist() == [list(range(protected))] * 2
    both = torch.cat([plan.leaders, plan.joiners], dim=1).sort(dim=1).values
    assert both.tolist() == [list(range(mergeable + protected))] * 2


def test_kmeans_iterates_five_times() -> None:
    """On tokens on a line, of a seed with which four and six iterations end elsewhere."""
    tokens, recipe = layer("kmeans", "euclidean", "alternating", seed=5, batch=1, tokens=41, r=20)
    tokens = replace(tokens, metric=tokens.metric[..., :1])
    (expected,) = samples(tokens, "euclidean", "alternating")
    found = [members(slow.kmeans(expected, iterations)) for iterations in (4, 5, 6)]
    assert members(joins(recipe.matching.plan(tokens), 0)) == found[1]
    assert found[0] != found[1] != found[2]


def test_real_tokens_take_the_place_of_empty_clusters() -> None:
    """Of equal tokens all are in one cluster; padding must not stay for the others."""
    tokens, recipe = layer("kmeans", "euclidean", "alternating", batch=1, tokens=13, r=4)
    sizes = torch.ones(1, 13, dtype=torch.float64)
    sizes[0, [2, 5, 7, 9]] = 0
    alike = replace(tokens, metric=torch.ones_like(tokens.metric), sizes=sizes, padded=sizes == 0)
    assert set(joins(recipe.matching.plan(alike), 0)) == {2, 5, 7, 9}


@pytest.mark.parametrize("how", list(COMBINES))
@quick
@given(st.integers(0, 2**20), st.integers(2, 20), st.booleans(), st.data())
def test_combinations_equal_the_oracle(how: str, seed: int, tokens: int, padding: bool, data: Any) -> None:
    """On any plan there can be, a padded leader of real tokens included."""
    generator, count = torch.Generator().manual_seed(seed), data.draw(st.integers(1, tokens))
    order = torch.stack([torch.randperm(tokens, generator=generator) for _ in range(2)])
    targets = torch.randint(count, (2, tokens - count), generator=generator)
    plan = MergePlan(order[:, :count], order[:, count:], targets)
    sizes = torch.randint(0 if padding else 1, 6, (2, tokens), generator=generator).double()
    x = torch.randn(2, tokens, 5, generator=generator, dtype=torch.float64)
    totals, shares = COMBINES[how].share(plan, sizes)
    merged = COMBINES[how].merge(plan, x, sizes, shares)
    for sample in range(2):
        members = [[leader] for leader in plan.leaders[sample].tolist()]
        for joiner, target in zip(plan.joiners[sample].tolist(), targets[sample].tolist(), strict=True):
            members[target].append(joiner)
        size = sizes[sample].tolist()
        assert totals[sample].tolist() == [sum(size[token] for token in old) for old in members]
        for group, old in enumerate(members):
            expected = slow.combine(how, [x[sample, token].tolist() for token in old], [size[token] for token in old])
            torch.testing.assert_close(merged[sample, group].tolist(), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", list(COMBINES))
def test_combinations_have_the_gradient_of_finite_differences(how: str) -> None:
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(9, generator=generator)[None]
    plan = MergePlan(order[:, :5], order[:, 5:], torch.tensor([[0, 0, 3, 4]]))
    sizes = torch.tensor([[1.0, 2, 1, 1, 0, 3, 1, 2, 0]], dtype=torch.float64)
    x = torch.randn(1, 9, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    shares = COMBINES[how].share(plan, sizes)[1]
    assert torch.autograd.gradcheck(lambda x: COMBINES[how].merge(plan, x, sizes, shares), (x,))


@pytest.mark.parametrize("how", list(COMBINES))
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_combinations_in_half_precision(how: str, dtype: torch.dtype) -> None:
    """Values near the largest of float16 included: no product leaves its range."""
    plan = MergePlan(torch.tensor([[0, 1]]), torch.tensor([[2, 3]]), torch.tensor([[0, 0]]))
    x = torch.tensor([[[60000.0, 1.0], [-60000.0, 2.0], [-60000.0, 3.0], [50000.0, 4.0]]]).to(dtype)
    sizes = torch.tensor([[1.0, 1, 3, 2]])
    totals, shares = COMBINES[how].share(plan, sizes)
    merged, exact = (COMBINES[how].merge(plan, each, sizes, shares) for each in (x, x.double()))
    assert merged.dtype == dtype
    torch.testing.assert_close(merged.double(), exact, rtol=0.02, atol=1)


def test_random_numbers_are_those_of_the_oracle_and_look_random() -> None:
    for seed, stream in ((0, 0), (0, 5), (7, 1), (2**32 - 1, 63)):
        assert draw(50, seed, stream, torch.device("cpu")).tolist() == slow.draw(50, seed, stream)
    whole = draw(4096, 3, 2, torch.device("cpu")).double() / 2**32
    assert len(whole.unique()) == 4096
    assert abs(whole.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(whole[1:], whole[:-1])[0, 1]) < 0.05
    other = draw(4096, 3, 3, torch.device("cpu")).double()
    assert abs(np.corrcoef(whole, other)[0, 1]) < 0.05


@pytest.mark.parametrize(("matching", "partition"), [("bipartite", "random"), ("random_prune", "alternating")])
def test_the_seed_decides_and_nothing_else(matching: str, partition: str) -> None:
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    found = []
    for seed in (0, 0, 1):
        tokens, recipe = layer(matching, "cosine", partition, tokens=40, r=10)
        found.append(recipe.matching.plan(replace(tokens, seed=seed)).joiners.sort(dim=1).values.tolist())  # pyright: ignore
        torch.manual_seed(99)
        torch.rand(3)
        torch.set_rng_state(states[2])
    assert found[0] == found[1] != found[2]
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


@each_choice
def test_a_sample_does_not_depend_on_its_batch(matching: str, distance: str, partition: str) -> None:
    tokens, recipe = layer(matching, distance, partition, batch=3, tokens=21, r=6)
    alone = replace(
        tokens, metric=tokens.metric[1:2], sizes=tokens.sizes[1:2], attention=tokens.attention[1:2]  # pyright: ignore
    )  # fmt: skip
    assert joins(recipe.matching.plan(tokens), 1) == joins(recipe.matching.plan(alone), 0)


@each_choice
def test_metrics_of_half_precision_are_compared_in_float32(matching: str, distance: str, partition: str) -> None:
    tokens, recipe = layer(matching, distance, partition, tokens=61, r=20, dtype=torch.bfloat16)
    wide = replace(tokens, metric=tokens.metric.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert joins(recipe.matching.plan(tokens), 0) == joins(recipe.matching.plan(wide), 0)


@each_choice
def test_padding_goes_first_and_counts_for_nothing(matching: str, distance: str, partition: str) -> None:
    """A sample with as much padding as must go loses no real token where a matching can choose freely."""
    tokens, recipe = layer(matching, distance, partition, batch=1, tokens=17, r=4, padding=True)
    sizes = torch.ones(1, 17, dtype=torch.float64)
    sizes[:, -4:] = 0
    plan = recipe.matching.plan(replace(tokens, sizes=sizes, padded=sizes == 0))
    lost = [joiner for joiner in joins(plan, 0) if sizes[0, joiner]]
    if matching in ("random_prune", "attention_prune", "pagerank_prune", "evit", "kmeans"):
        assert not lost
    for joiner in lost:
        assert sizes[0, joins(plan, 0)[joiner]]  # a real one goes to a real one


@pytest.mark.parametrize(
    ("matching", "distance", "partition"),
    [("bipartite", "softmax", "sequential"), ("bipartite", "dot", "energy"), ("pitome", "cosine", "alternating")],
)
def test_long_inputs_hold_part_of_the_scores(
    matching: str, distance: str, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, recipe = layer(matching, distance, partition, tokens=33, r=9, padding=True)
    whole = joins(recipe.matching.plan(tokens), 0)
    monkeypatch.setattr("hf_tome.core.ops.reference.MOST_SCORES", 20)
    assert joins(recipe.matching.plan(tokens), 0) == whole


def test_the_order_after_a_merge_is_that_of_the_paper() -> None:
    """Of every bipartite matching: protected, kept sources, destinations."""
    for matching, partition in (("bipartite", "sequential"), ("bipartite", "random"), ("kth", "alternating")):
        for protected in (0, 2):
            tokens, recipe = layer(matching, "cosine", partition, tokens=14, r=3, protected=protected)
            plan = recipe.matching.plan(tokens)
            assert plan is not None
            into = set(plan.targets.flatten().tolist())
            assert min(into) >= plan.count - 7
            if protected:
                kept = plan.leaders[0, protected : min(into)].tolist()
                assert kept == sorted(kept)


def test_joining_makes_a_plan() -> None:
    plan = MergePlan.joining(torch.tensor([[4, 1]]), torch.tensor([[0, 3]]), 6)
    assert plan.leaders.tolist() == [[0, 2, 3, 5]]
    assert plan.groups.tolist() == [[0, 2, 1, 2, 0, 3]]
    assert compose([plan]) is not None


def test_partitions_leave_enough_sources() -> None:
    for name in PARTITIONS:
        for mergeable in range(2, 9):
            tokens, recipe = layer("bipartite", "dot", name, tokens=mergeable + 1)
            sources, destinations = map(tokens.rows, recipe.partition(tokens))
            assert sources.shape[1] >= mergeable // 2
            assert destinations.shape[1] >= 1
            both: Tensor = torch.cat([sources, destinations], dim=1).sort().values
            assert both.tolist() == [list(range(1, mergeable + 1))] * 2
