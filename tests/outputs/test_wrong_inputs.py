"""Masks and inputs that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from cases import CASES, SMALL_VIT, VIDEOMAE, VIT, Case, tower_of
from comparison import assert_same, shapes
from layouts import each_layout
from transformers import PreTrainedModel

from hf_tome import ToMeError, ToMeTypeError, ToMeValueError, apply_tome

N = SMALL_VIT.tokens
WRONG_MASKS = [
    (torch.ones(N), ToMeValueError),
    (torch.ones(2, N - 1), ToMeValueError),
    (torch.ones(2, VIT.patches), ToMeValueError),
    (torch.ones(3, N), ToMeValueError),
    (torch.ones(1, N), ToMeValueError),
    (torch.ones(2, 1, N, N), ToMeValueError),
    (torch.ones(2, N, N), ToMeValueError),
    (torch.ones(()), ToMeValueError),
    ([[1] * N] * 2, ToMeTypeError),
    (np.ones((2, N)), ToMeTypeError),
    ("ones", ToMeTypeError),
    (True, ToMeTypeError),
]


@pytest.fixture(scope="module", params=[0, 4], ids=["r=0", "r=4"])
def patched(request: pytest.FixtureRequest) -> PreTrainedModel:
    return apply_tome(SMALL_VIT.build(), r=request.param)


@pytest.mark.parametrize(
    ("mask", "error"), WRONG_MASKS, ids=lambda value: shapes(value) if torch.is_tensor(value) else ""
)
@torch.no_grad()
def test_wrong_masks_are_refused(mask: Any, error: type, patched: PreTrainedModel) -> None:
    model = patched
    before = model(**SMALL_VIT.inputs())
    for part in (model, tower_of(model, SMALL_VIT)):
        with pytest.raises(error) as caught:
            part(**SMALL_VIT.inputs(), attention_mask=mask)
        assert isinstance(caught.value, ToMeError)
        assert "(batch, tokens)" in str(caught.value)
    assert_same(model(**SMALL_VIT.inputs()), before)


@torch.no_grad()
def test_a_mask_for_a_model_that_takes_none_is_refused() -> None:
    """Transformers drops it silently there: then padding would count in the mean over all tokens."""
    for case in CASES:
        if case.family is VIDEOMAE:
            model = apply_tome(case.build(), r=3)
            with pytest.raises(ToMeValueError, match="VideoMAEModel"):
                model(**case.inputs(), attention_mask=torch.ones(2, case.tokens))
            assert_same(model(**case.inputs(), attention_mask=None), model(**case.inputs()))


@pytest.mark.parametrize("shape", [(), (3,), (3, 24), (2, 3, 24), (1, 2, 3, 24, 24)], ids=str)
@each_layout
def test_a_wrong_input_fails_as_in_the_plain_model(case: Case, shape: tuple[int, ...]) -> None:
    name, model, merging = case.family.pixels[0], case.build(), apply_tome(case.build(), r=3)
    for value in (torch.zeros(shape), None, "image"):
        with pytest.raises(Exception) as plain:  # noqa: PT011  # whatever transformers says
            model(**{name: value})
        with pytest.raises(type(plain.value)) as patched:
            merging(**{name: value})
        assert str(patched.value) == str(plain.value)
