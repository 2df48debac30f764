"""The order of scores, in exports too."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hf_tome.core.ops.order import falling


class Falling(nn.Module):
    def forward(self, scores: Tensor) -> Tensor:
        return falling(scores)


SCORES = torch.randint(0, 5, (3, 40), generator=torch.Generator().manual_seed(0)).float()
SCORES[1, ::3], SCORES[2, 5:9] = torch.inf, -torch.inf


def by_python(scores: Tensor) -> Tensor:
    return torch.tensor([sorted(range(len(row)), key=lambda place: -row[place]) for row in scores.tolist()])


@pytest.mark.parametrize("kind", [torch.float32, torch.int8])
def test_equal_scores_come_in_index_order(kind: torch.dtype) -> None:
    scores = SCORES.clamp(-9, 9).to(kind) if kind is torch.int8 else SCORES
    assert torch.equal(falling(scores), by_python(scores))


def test_an_export_has_the_same_order_and_no_stable_sort() -> None:
    program = torch.export.export(Falling(), (SCORES,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    assert "stable" not in str(program.graph)
    for batch in (1, 3):
        assert torch.equal(program.module()(SCORES[:batch]), by_python(SCORES[:batch]))


def test_a_trace_has_the_same_order() -> None:
    traced = torch.jit.trace(Falling(), (SCORES,))
    assert torch.equal(traced(SCORES[1:]), by_python(SCORES[1:]))
