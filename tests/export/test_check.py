"""A file that gives other logits than the model is an error."""

from __future__ import annotations

import pytest
import torch
from cases import SMALL_VIT

from hf_tome import ToMeValueError, apply_tome
from hf_tome.export import check


def test_a_file_with_other_logits_is_refused() -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs(3)

    @torch.no_grad()
    def right(inputs: dict[str, torch.Tensor]) -> object:
        return model(**inputs).logits.numpy()

    found = check(model, inputs, right)  # pyright: ignore[reportArgumentType]
    assert found.difference <= 1e-5
    assert (found.agreement, found.inputs) == (1.0, 3)
    other = apply_tome(SMALL_VIT.build(), r=0)
    with pytest.raises(ToMeValueError, match="difference"):
        check(other, inputs, right)  # pyright: ignore[reportArgumentType]


def test_not_a_number_is_refused() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs(2)
    with pytest.raises(ToMeValueError, match="nan"):
        check(model, inputs, lambda inputs: torch.full((len(inputs["pixel_values"]), 5), torch.nan).numpy())
