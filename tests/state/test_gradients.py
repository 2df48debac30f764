"""Gradients: nothing of one forward reaches the backward of another, and a recompute repeats its forward."""

from __future__ import annotations

import threading

import pytest
import torch
from cases import SMALL_VIT, Case
from gradients import (
    assert_checkpointing_changes_nothing,
    assert_close,
    checkpoint,
    checkpoint_no_more,
    each_checkpointing,
    gradients,
    loss_of,
)
from layouts import each_layout

from hf_tome import apply_tome


@each_checkpointing
@each_layout
def test_gradients_under_checkpointing_are_those_without(case: Case, reentrant: bool) -> None:
    model = apply_tome(case.build(), r=4).train()

    def step() -> None:
        loss_of(model, case, case.inputs()).backward()

    plain = gradients(model, step)
    checkpoint(model, use_reentrant=reentrant)
    assert_close(gradients(model, step), plain)
    checkpoint_no_more(model)
    assert_close(gradients(model, step), plain, 0)


@each_checkpointing
def test_gradients_under_checkpointing_with_dropout(reentrant: bool) -> None:
    model = SMALL_VIT.build(hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)
    apply_tome(model, r=4).train()
    assert_checkpointing_changes_nothing(model, SMALL_VIT, reentrant)


@each_checkpointing
def test_gradients_under_checkpointing_with_padding(reentrant: bool) -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=4).train(), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0

    def step() -> None:
        loss_of(model, SMALL_VIT, {**SMALL_VIT.inputs(), "attention_mask": mask}).backward()

    plain = gradients(model, step)
    checkpoint(model, use_reentrant=reentrant)
    assert_close(gradients(model, step), plain)


def test_gradients_are_those_of_finite_differences() -> None:
    """In float64, along one direction small enough that the matching stays."""
    model = apply_tome(SMALL_VIT.build().double(), r=4)
    inputs = SMALL_VIT.inputs(dtype=torch.float64)
    grads = gradients(model, lambda: loss_of(model, SMALL_VIT, inputs).backward())
    direction = {name: torch.randn_like(gradient) for name, gradient in grads.items()}
    slope, losses, step = sum((grads[n] * direction[n]).sum() for n in grads), [], 1e-6
    for sign in (1, -2):
        for name, parameter in model.named_parameters():
            if name in direction:
                parameter.data += sign * step * direction[name]
        losses.append(loss_of(model, SMALL_VIT, inputs).item())
    torch.testing.assert_close(torch.tensor((losses[0] - losses[1]) / (2 * step)).double(), slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("reentrant", [None, True, False], ids=["plain", "reentrant", "not-reentrant"])
@each_layout
def test_two_forwards_before_one_backward(case: Case, reentrant: bool | None) -> None:
    model = apply_tome(case.build(), r=4).train()
    if reentrant is not None:
        checkpoint(model, use_reentrant=reentrant)
    first, second = case.inputs(2, seed=1), case.inputs(3, seed=2)

    def together() -> None:
        losses = [loss_of(model, case, inputs) for inputs in (first, second)]
        (losses[0] + 2 * losses[1]).backward()

    def apart_from_each_other() -> None:
        loss_of(model, case, first).backward()
        (2 * loss_of(model, case, second)).backward()

    assert_close(gradients(model, together), gradients(model, apart_from_each_other))


@each_checkpointing
def test_new_settings_between_forward_and_backward(reentrant: bool) -> None:
    """A recompute repeats the forward as it was."""
    model = apply_tome(SMALL_VIT.build(), r=4).train()
    plain = gradients(model, lambda: loss_of(model, SMALL_VIT, SMALL_VIT.inputs()).backward())
    checkpoint(model, use_reentrant=reentrant)

    def step() -> None:
        loss = loss_of(model, SMALL_VIT, SMALL_VIT.inputs())
        apply_tome(model, r=7, prop_attn=False)
        loss.backward()

    assert_close(gradients(model, step), plain)


@pytest.mark.parametrize("reentrant", [None, True, False], ids=["plain", "reentrant", "not-reentrant"])
def test_backward_in_another_thread(reentrant: bool | None) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4).train()
    expected = gradients(model, lambda: loss_of(model, SMALL_VIT, SMALL_VIT.inputs()).backward())
    if reentrant is not None:
        checkpoint(model, use_reentrant=reentrant)

    def step() -> None:
        loss = loss_of(model, SMALL_VIT, SMALL_VIT.inputs())
        thread = threading.Thread(target=loss.backward)
        thread.start()
        model(**SMALL_VIT.inputs(4))  # another forward here, meanwhile
        thread.join()

    assert_close(gradients(model, step), expected)
