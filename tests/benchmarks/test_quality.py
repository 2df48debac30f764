"""The statistics of the quality benchmark, and the matchings that it tries."""

from __future__ import annotations

import pytest
import torch
from cases import SMALL_VIT
from scipy.sparse.csgraph import connected_components
from torch.nn.functional import normalize

from benchmarks.recorded.quality import holm, lost_neighbours
from benchmarks.recorded.quality_trials import TRIALS, nearest_first, register_trials
from hf_tome import apply_tome, trace_tome
from hf_tome.core import Candidates
from hf_tome.core.options.distance import cosine
from hf_tome.core.options.partition import alternating


def test_holm_corrects_the_smallest_most_and_keeps_the_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_lost_neighbours_are_the_share_of_five() -> None:
    features = torch.eye(12) + torch.arange(144.0).view(12, 12) / 1e4
    assert lost_neighbours(features, features) == [0.0] * 12
    assert 0 < sum(lost_neighbours(features.roll(3, 1) * torch.arange(1.0, 13.0), features)) <= 12


def test_nearest_first_takes_the_best_edges_of_the_graph_of_nearest() -> None:
    metric = torch.randn(1, 21, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    sizes = torch.ones(1, 21)
    given = Candidates(metric, 8, 1, sizes, None, None, 0, 4, cosine, alternating, 0)
    unit = normalize(metric[0], dim=-1)
    scores = (unit @ unit.T).fill_diagonal_(-2)
    scores[:, 0] = scores[0] = -2
    edges = {tuple(sorted((i, int(row.argmax())))): float(row.max()) for i, row in enumerate(scores) if i}
    graph = torch.zeros(21, 21)
    for pair in sorted(edges, key=lambda pair: -edges[pair])[:8]:
        graph[pair] = 1
    _, slow = connected_components(graph.numpy(), directed=False)
    groups = nearest_first(given).groups[0]
    alike = groups[:, None] == groups
    assert torch.equal(alike, torch.tensor(slow)[:, None] == torch.tensor(slow))


@pytest.mark.parametrize("name", [each.__name__ for each in TRIALS])
def test_each_trial_removes_r_tokens_and_protects_the_class_token(name: str) -> None:
    register_trials()
    model = SMALL_VIT.build()
    model.set_attn_implementation("eager")
    apply_tome(model, r=5, matching=name)
    with torch.no_grad(), trace_tome(model) as trace:
        model(**SMALL_VIT.inputs())
    assert trace.token_counts == [37, 32, 27, 22, 17]
    assert (trace.sizes[:, 0] == 1).all()
