"""restore="residual": positions keep what set their tokens apart. The tests of families hold it against `by_hand`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import BARE, Case
from comparison import apart
from gradients import assert_close, checkpoint, gradients

from hf_tome import ToMeValueError, apply_tome

CASE = BARE[0]


def step_of(model: Any, case: Case) -> Any:
    def step() -> None:
        out = model(**case.inputs()).last_hidden_state
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()

    return step


def test_gradients_under_checkpointing_are_those_without() -> None:
    model = apply_tome(CASE.build(), r=4, restore="residual").train()
    step = step_of(model, CASE)
    plain = gradients(model, step)
    checkpoint(model, use_reentrant=False)
    assert_close(gradients(model, step), plain)
    checkpoint(model, use_reentrant=True)
    with pytest.raises(ToMeValueError, match="non-reentrant"):
        step()


def test_gradients_are_those_of_finite_differences() -> None:
    model, inputs = apply_tome(CASE.build(), r=4, restore="residual").double().eval(), CASE.inputs()
    pixels = inputs["pixel_values"].double().requires_grad_()
    direction = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(x: torch.Tensor) -> torch.Tensor:
        out = model(pixel_values=x).last_hidden_state
        return (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum()

    (found,) = torch.autograd.grad(value(pixels), pixels)
    with torch.no_grad():
        step = 1e-6 * direction
        expected = (value(pixels + step) - value(pixels - step)) / 2e-6
    torch.testing.assert_close((found * direction).sum(), expected, rtol=1e-5, atol=0)


@torch.no_grad()
def test_the_mean_over_a_group_is_its_token() -> None:
    """Offsets of a group sum to zero by size: pooled features are those of restore=True."""
    pooled = [
        apply_tome(CASE.build(), r=4, restore=restore)(**CASE.inputs(), output_hidden_states=True).hidden_states[-1]
        for restore in (True, "residual")
    ]
    assert apart(pooled[0], pooled[1]) > 1e-3
    assert apart(pooled[0].mean(dim=1), pooled[1].mean(dim=1)) < 1e-5


@pytest.mark.slow
@torch.no_grad()
def test_saved_compiled_and_exported() -> None:
    model = apply_tome(CASE.build(num_hidden_layers=2), r=4, restore="residual").eval()
    assert model.config.tome["restore"] == "residual"
    expected = model(**CASE.inputs()).last_hidden_state
    compiled = torch.compile(model, fullgraph=False, backend="eager")
    assert apart(compiled(**CASE.inputs()).last_hidden_state, expected) < 1e-6
    exported = torch.export.export(model, (), CASE.inputs(), strict=False).module()
    assert apart(exported(**CASE.inputs()).last_hidden_state, expected) < 1e-6
