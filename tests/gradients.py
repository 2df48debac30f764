"""Gradients of a model, with and without checkpointing, and their comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import Case, Inputs
from comparison import tensors_of
from torch import Tensor, nn

each_checkpointing = pytest.mark.parametrize("reentrant", [True, False], ids=["reentrant", "not-reentrant"])
Gradients = dict[str, Tensor]


def loss_of(model: nn.Module, case: Case, inputs: Inputs) -> Tensor:
    """A loss for every head: its own where it has one, else a sum that weighs all outputs differently."""
    pixels = case.family.pixels[0]
    inputs = {**inputs, pixels: inputs[pixels].clone().requires_grad_()}  # reentrant checkpointing asks for this
    output = model(**inputs, **case.labels(len(inputs[pixels])))
    if "loss" in output:
        return output.loss
    return sum((tensor * torch.linspace(-1, 1, tensor.numel()).view_as(tensor)).sum() for tensor in tensors_of(output))  # pyright: ignore


def gradients(model: nn.Module, run: Callable[[], None]) -> Gradients:
    model.zero_grad()
    run()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_close(ours: Gradients, theirs: Gradients, tolerance: float = 1e-6) -> None:
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    for name, gradient in ours.items():
        scale = max(1.0, theirs[name].abs().max().item())
        assert (gradient - theirs[name]).abs().max() <= tolerance * scale, name


def furthest(ours: Gradients, theirs: Gradients) -> float:
    """The largest difference of a gradient, as a share of its length."""
    return max(((ours[name] - theirs[name]).norm() / theirs[name].norm().clamp_min(1e-3)).item() for name in theirs)


def checkpoint(model: Any, **settings: Any) -> None:
    """Gradient checkpointing on; transformers has renamed the call."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable(settings or None)


def checkpoint_no_more(model: Any) -> None:
    disable = getattr(model, "activation_checkpointing_disable", None) or model.gradient_checkpointing_disable
    disable()


def assert_checkpointing_changes_nothing(model: nn.Module, case: Case, reentrant: bool) -> None:
    """The gradients of one step with the same random numbers, before and after checkpointing is turned on."""

    def step() -> None:
        inputs = case.inputs()
        torch.manual_seed(5)
        loss_of(model, case, inputs).backward()

    plain = gradients(model, step)
    checkpoint(model, use_reentrant=reentrant)
    assert_close(gradients(model, step), plain)
