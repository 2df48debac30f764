"""The loop that runs and times, and the copies that it runs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import SMALL_VIT

from hf_tome import ToMeConfig, apply_tome
from hf_tome.measure.compare import compare, inference, run_costs, time_rounds, token_costs, twin


def test_each_round_begins_with_another_run() -> None:
    order: list[str] = []
    runs = [lambda inputs, name=name: (order.append(name), name)[1] for name in "abc"]
    inputs = {"x": torch.zeros(1)}
    for turn in range(4):
        assert [ran.output for ran in compare(runs, inputs, turn)] == ["a", "b", "c"]
    assert "".join(order) == "abc" + "bca" + "cab" + "abc"
    done: list[int] = []
    seconds = time_rounds(runs, inputs, 2, lambda: done.append(1))
    assert [len(each) for each in seconds] == [2, 2, 2]
    assert len(done) == 2


def test_a_twin_shares_the_weights_and_nothing_else() -> None:
    model: Any = apply_tome(SMALL_VIT.build(), r=4).train()
    copy: Any = twin(model)
    assert not copy.training
    assert not hasattr(copy.config, "tome")
    assert (model.training, model.config.tome["r"]) == (True, 4)
    weights = dict(model.named_parameters())
    assert all(each is weights[name] for name, each in copy.named_parameters())
    assert all(module not in set(model.modules()) for module in copy.modules())


def test_costs_are_those_of_one_input_of_this_size() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs(batch=3)
    plain, merged = (token_costs(model, setting, inputs) for setting in (None, ToMeConfig(r=4)))
    assert (plain["token_counts"], merged["token_counts"]) == ([37] * 5, [37, 33, 29, 25, 21])
    assert plain["macs"] / merged["macs"] == pytest.approx(merged["mac_ratio"])
    batches: list[int] = []
    plain_run = inference(model)
    (cost,) = run_costs([lambda inputs: (batches.append(len(inputs["pixel_values"])), plain_run(inputs))], inputs, 2)
    assert batches == [3, 3, 1, 1, 1]  # to warm up, for the memory; to warm up, in two rounds
    assert cost["peak_bytes"] > 0
    assert cost.keys() == {"peak_bytes", "latency"}
