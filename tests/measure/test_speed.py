"""measure: rows, pairing, what is counted, in inference and training; the share of merging."""

from __future__ import annotations

import copy
import statistics

import pytest
import torch
from cases import SMALL_VIT
from comparison import assert_same

from hf_tome import ToMeError, apply_tome
from hf_tome.measure import measure, merging_share
from hf_tome.measure.overhead import STEPS
from hf_tome.measure.row import Row


def test_rows_of_inference() -> None:
    model, ticks = SMALL_VIT.build(), []
    rows = measure(model, SMALL_VIT.inputs(batch=3), [0, 4], rounds=2, rivals={"same": apply_tome},
                   done=lambda: ticks.append(1))  # fmt: skip
    names = [("unmerged", None), ("hf_tome", 0), ("same", 0), ("hf_tome", 4), ("same", 4)]
    assert [(row.name, row.r) for row in rows] == names
    assert len(ticks) == 4  # the latency of one input is measured too
    for row in rows:
        assert len(row.seconds) == len(row.speedups) == 2
        assert (row.batch, row.inputs) == (3, 6)
        assert row.latency is not None
        assert row.peak_bytes
    plain, nothing, _, merged, rival = rows
    assert plain.speedups == [1.0] * 2
    assert plain.token_counts == nothing.token_counts == [37] * 5
    assert merged.token_counts == rival.token_counts == [37, 33, 29, 25, 21]
    assert merged.mac_ratio == rival.mac_ratio > 1 == nothing.mac_ratio == plain.mac_ratio
    assert merged.score == merged.speedup / merged.mac_ratio
    assert merged.overhead is not None
    assert 0 < merged.overhead < 1
    assert plain.overhead is rival.overhead is None


def test_training_steps_leave_the_model_alone() -> None:
    model = SMALL_VIT.build()
    before = copy.deepcopy(model.state_dict())
    rows = measure(model, SMALL_VIT.inputs(), [4], rounds=2, train=True)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training
    assert not hasattr(model.config, "tome")
    plain, merged = (row.peak_bytes or 0 for row in rows)
    assert 0 < merged < plain
    assert rows[1].overhead is rows[1].latency is None


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


def test_the_share_of_merging_is_marked_only_while_it_is_measured() -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    steps = [getattr(owner, name) for owner, name in STEPS]
    with torch.no_grad():
        before = model(**inputs)
        assert 0 < merging_share(model, inputs, forwards=1) < 1
        assert_same(model(**inputs), before)
    assert [getattr(owner, name) for owner, name in STEPS] == steps


@pytest.mark.parametrize("speedups", [[2.0], [1.0, 2.0], [1.0, 2.0, 4.0]])
def test_quartiles_lie_within_what_was_measured(speedups: list[float]) -> None:
    low, high = Row(8, speedups=speedups).spread
    assert min(speedups) <= low <= statistics.median(speedups) <= high <= max(speedups)
