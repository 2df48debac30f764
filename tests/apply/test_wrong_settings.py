"""Settings that are refused, and the model left as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import LAYERS, SMALL_VIT
from transformers import PreTrainedModel
from untouched import assert_untouched, photograph

from hf_tome import (
    ToMeConfig,
    ToMeError,
    ToMeTypeError,
    ToMeValueError,
    UnsupportedAttentionError,
    apply_tome,
    is_merged,
)

WRONG = [
    ({}, ToMeValueError),
    ({"r": -1}, ToMeValueError),
    ({"r": 1.5}, ToMeValueError),
    ({"r": 0.0}, ToMeValueError),
    ({"r": True}, ToMeTypeError),
    ({"r": "16"}, ToMeTypeError),
    ({"r": (1, 2, 3)}, ToMeValueError),
    ({"r": (1, 2.0)}, ToMeValueError),
    ({"r": (1, "x")}, ToMeTypeError),
    ({"r": [1, -1]}, ToMeValueError),
    ({"r": [1, 0.5]}, ToMeTypeError),
    ({"r": [1] * (LAYERS + 1)}, ToMeValueError),
    ({"r": torch.zeros(2)}, ToMeTypeError),
    ({"r": {"r": 3}}, ToMeValueError),
    ({"r": 3, "prop_attn": 1}, ToMeTypeError),
    ({"r": 3, "restore": None}, ToMeTypeError),
    ({"r": 3, "restore": "copy"}, ToMeValueError),
    ({"r": 3, "proportional": True}, ToMeTypeError),
    ({"config": {"r": 3}}, ToMeTypeError),
    ({"config": ToMeConfig(3), "r": 3}, ToMeValueError),
    ({"config": ToMeConfig(3), "restore": True}, ToMeValueError),
    ({"config": ToMeConfig([1] * (LAYERS + 1))}, ToMeValueError),
]


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "patched"])
def twins(request: pytest.FixtureRequest) -> tuple[PreTrainedModel, PreTrainedModel]:
    """A model that all failing calls are made on, and one like it."""
    model, twin = SMALL_VIT.build(), SMALL_VIT.build()
    if request.param:
        apply_tome(model, r=3)
        apply_tome(twin, r=3)
    return model, twin


@pytest.mark.parametrize(("settings", "error"), WRONG, ids=lambda value: str(value) if isinstance(value, dict) else "")
def test_a_failed_call_leaves_the_model_as_it_was(
    settings: dict[str, Any], error: type, twins: tuple[PreTrainedModel, PreTrainedModel]
) -> None:
    model, twin = twins
    if is_merged(model) and not settings:
        pytest.skip("on a patched model this takes its settings again")
    with pytest.raises(error) as caught:
        apply_tome(model, **settings)
    assert isinstance(caught.value, ToMeError)
    assert " Got: " in str(caught.value)
    assert_untouched(model, twin, SMALL_VIT.inputs())


@pytest.mark.parametrize("tome", ["3", 3, {}, {"r": -3}, {"r": 3, "x": 1}, [3]], ids=str)
def test_wrong_saved_settings_are_refused(tome: Any) -> None:
    model = SMALL_VIT.build()
    model.config.tome = tome
    before = photograph(model)
    with pytest.raises(ToMeError):
        apply_tome(model)
    assert photograph(model) == before


@pytest.mark.parametrize("prop_attn", [True, False])
@pytest.mark.parametrize("implementation", ["paged|eager", "paged|flash_attention_2", "no_such_kernel"])
def test_unknown_attention_is_refused(implementation: str, prop_attn: bool) -> None:
    model, twin = SMALL_VIT.build(), SMALL_VIT.build()
    for each in (model, twin):
        each.config._attn_implementation_internal = implementation
    with pytest.raises(UnsupportedAttentionError) as caught:
        apply_tome(model, r=3, prop_attn=prop_attn)
    assert implementation in str(caught.value)
    assert 'set_attn_implementation("sdpa")' in str(caught.value)
    assert photograph(model) == photograph(twin)
