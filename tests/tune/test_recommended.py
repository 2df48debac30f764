"""Settings for a model at a MAC ratio, without data."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import BARE, SMALL_VIT, Case
from torch import nn
from untouched import assert_untouched

from hf_tome import ToMeConfig, ToMeError, UnsupportedModelError, apply_tome, trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.data.embedded import embedded_vit
from hf_tome.tune.recommended import recommended


def ratio_with(case: Case, config: ToMeConfig) -> float:
    model, inputs = apply_tome(case.build(), config=config), case.inputs()
    with torch.no_grad(), trace_tome(model) as trace:
        model(**inputs)
    return mac_ratio(trace.token_counts, model.config.hidden_size, model.config.intermediate_size)


@pytest.mark.parametrize("case", BARE, ids=lambda case: case.name)
def test_r_is_the_smallest_that_reaches_the_ratio(case: Case) -> None:
    model, plain = case.build(), case.build()
    config = recommended(model, 1.4)
    assert_untouched(model, plain, case.inputs())
    assert ratio_with(case, config) >= 1.4
    assert ratio_with(case, config.replace(r=config.r - 1)) < 1.4
    assert config == ToMeConfig(r=config.r)


def test_half_precision_a_pipeline_and_a_model_that_merges_already() -> None:
    model = embedded_vit()
    expected = recommended(model)
    apply_tome(model.bfloat16(), r=8)
    assert recommended(model, 2.0) == expected

    class Pipeline:
        def __init__(self, model: nn.Module) -> None:
            self.model = model

    assert recommended(Pipeline(model)) == expected
    assert model.config.tome["r"] == 8


def test_no_speed_up_merges_nothing() -> None:
    assert not recommended(SMALL_VIT.build(), 1.0).merges


@pytest.mark.parametrize("speedup", [0.5, "2x", True, None, float("nan"), 1000.0])
def test_what_is_no_speed_up_or_out_of_reach_is_refused(speedup: Any) -> None:
    with pytest.raises(ToMeError, match=r"MAC ratio|chosen for"):
        recommended(SMALL_VIT.build(), speedup)


def test_a_model_of_no_supported_family_is_refused() -> None:
    with pytest.raises(UnsupportedModelError):
        recommended(nn.Linear(2, 2))
