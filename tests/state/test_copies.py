"""Copies of a patched model: deepcopy, pickle, torch.save."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from cases import Case
from comparison import assert_same
from layouts import each_layout
from transformers import PreTrainedModel

from hf_tome import apply_tome, remove_tome, trace_tome


def through_torch(model: PreTrainedModel) -> PreTrainedModel:
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), through_torch],
    ids=["deepcopy", "pickle", "torch.save"],
)
@each_layout
@torch.no_grad()
def test_a_copy_is_patched_and_on_its_own(case: Case, copied: Callable[[PreTrainedModel], PreTrainedModel]) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    twin = copied(model)
    assert_same(twin(**case.inputs()), expected)
    for parameter in twin.parameters():
        parameter.zero_()
    twin.set_attn_implementation("eager")
    apply_tome(twin, r=1)
    assert_same(model(**case.inputs()), expected)
    assert model.config._attn_implementation == "sdpa"
    again = copied(model)
    assert_same(remove_tome(again)(**case.inputs()), case.build()(**case.inputs()))
    with trace_tome(model) as trace:
        again(**case.inputs())
        model(**case.inputs())
    assert len(trace) == 1
