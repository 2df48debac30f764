"""measure: rows, pairing, what is counted, in inference and training."""

from __future__ import annotations

import copy

import pytest
import torch
from cases import SMALL_VIT, Case, each_classifier
from comparison import assert_same

from hf_tome import ToMeError, apply_tome, trace_tome
from hf_tome.engine.state import LayerRecord
from hf_tome.measure import counted_macs, encoder_macs, measure, merging_share


def test_rows_of_inference() -> None:
    model, ticks = SMALL_VIT.build(), []
    rows = measure(model, SMALL_VIT.inputs(batch=3), [0, 4], rounds=4, done=lambda: ticks.append(1))
    assert [(row.name, row.r) for row in rows] == [("unmerged", None), ("hf_tome", 0), ("hf_tome", 4)]
    assert len(ticks) == 8  # the latency of one input is measured too
    for row in rows:
        assert len(row.seconds) == len(row.speedups) == 4
        assert row.inputs == 12
        assert row.latency is not None
        assert row.latency < sum(row.seconds)
        assert row.peak_bytes
    assert rows[0].speedups == [1.0] * 4
    assert rows[0].token_counts == rows[1].token_counts == [37] * 5
    assert rows[2].token_counts == [37, 33, 29, 25, 21]
    assert rows[2].mac_ratio > 1 == rows[1].mac_ratio == rows[0].mac_ratio
    assert rows[2].score == rows[2].speedup / rows[2].mac_ratio
    assert rows[2].overhead is not None
    assert 0 < rows[2].overhead < 1
    assert rows[0].overhead is None


def test_training_steps_leave_the_model_alone() -> None:
    model = SMALL_VIT.build()
    before = copy.deepcopy(model.state_dict())
    rows = measure(model, SMALL_VIT.inputs(), [4], rounds=2, train=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert not hasattr(model.vit, "_tome")
    plain, merged = (row.peak_bytes or 0 for row in rows)
    assert 0 < merged < plain
    assert rows[1].overhead is None


def test_rivals_stand_beside_each_r() -> None:
    rows = measure(SMALL_VIT.build(), SMALL_VIT.inputs(), [2, 4], rounds=1, rivals={"same": apply_tome})
    assert [(row.name, row.r) for row in rows[1:]] == [("hf_tome", 2), ("same", 2), ("hf_tome", 4), ("same", 4)]
    assert rows[1].mac_ratio == rows[2].mac_ratio < rows[3].mac_ratio == rows[4].mac_ratio


@pytest.mark.slow
def test_compiled() -> None:
    torch._dynamo.reset()
    model = SMALL_VIT.build(num_hidden_layers=1)
    rows = measure(model, SMALL_VIT.inputs(batch=1), [4], rounds=1, compiled="default")
    assert rows[1].peak_bytes is None
    assert rows[1].latency == rows[1].seconds[0]


def test_nothing_to_measure() -> None:
    with pytest.raises(ToMeError, match="At least one round"):
        measure(SMALL_VIT.build(), SMALL_VIT.inputs(), [4], rounds=0)


@each_classifier
def test_counted_multiply_adds_are_those_of_the_formula(case: Case) -> None:
    wide = {"hidden_size": 128, "intermediate_size": 512}  # in a narrow model the matching's own would show
    model, inputs = case.build(**wide), case.inputs(batch=3)
    for r in (0, 4):
        apply_tome(model, r=r)
        with torch.no_grad(), trace_tome(model) as trace:
            model(**inputs)
        formula = 3 * encoder_macs(trace.token_counts, 128, 512)
        assert formula <= counted_macs(model, inputs) <= formula * 1.01


def test_the_share_of_merging_is_marked_only_while_it_is_measured() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs()
    steps = LayerRecord.decide, LayerRecord.merge
    assert merging_share(apply_tome(model, r=0), inputs) < merging_share(apply_tome(model, r=8), inputs) < 0.9
    assert (LayerRecord.decide, LayerRecord.merge) == steps


def test_the_share_of_merging_leaves_outputs_alone() -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    with torch.no_grad():
        before = model(**inputs)
        merging_share(model, inputs, forwards=1)
        assert_same(model(**inputs), before)
