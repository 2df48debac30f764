"""The options in training: gradients under checkpointing, and none through the matching."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import SMALL_VIT
from choices import OPTIONS, each_option
from gradients import assert_checkpointing_changes_nothing
from torch import Tensor

from hf_tome import apply_tome, register_matching
from hf_tome.core import Candidates, MergePlan, match_bipartite
from hf_tome.engine import record as records
from hf_tome.engine.record import LayerRecord

REENTRANT = [
    {"partition": "random", "seed": 5},
    {"matching": "pagerank_prune"},
    {"matching": "pitome", "metric": "x", "combine": "mlerp"},
]


@pytest.mark.parametrize(
    ("options", "reentrant"), [*((each, False) for each in OPTIONS), *((each, True) for each in REENTRANT)], ids=str
)
def test_gradients_under_checkpointing_are_those_without(options: dict[str, Any], reentrant: bool) -> None:
    model = SMALL_VIT.build(implementation="eager", hidden_dropout_prob=0.1)
    apply_tome(model, r=4, **options).train()
    assert_checkpointing_changes_nothing(model, SMALL_VIT, reentrant)


@each_option
def test_training_keeps_nothing_of_the_matching(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = apply_tome(SMALL_VIT.build(implementation="eager"), 3, **options)
    kept, decide = [], records.decide  # what autograd would keep alive until the backward

    def watched(record: LayerRecord, *given: Tensor) -> None:
        with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda each: each):
            decide(record, *given)
        assert record.shares is not None
        assert not record.shares.requires_grad

    monkeypatch.setattr(records, "decide", watched)
    assert model(**SMALL_VIT.inputs()).logits.requires_grad
    assert not kept


def test_a_matching_of_ones_own_runs_without_gradients() -> None:
    scale, graded = torch.ones((), requires_grad=True), []

    def scaled(given: Candidates) -> MergePlan | None:
        graded.append((given.metric * scale).requires_grad)
        return match_bipartite(given.metric, given.r, given.protected)

    register_matching("scaled", scaled)
    apply_tome(SMALL_VIT.build(), 3, matching="scaled")(**SMALL_VIT.inputs()).logits.sum().backward()
    assert graded
    assert not any(graded)
