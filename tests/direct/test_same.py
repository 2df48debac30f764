"""A layer that is transformers' own runs in one go, with the same result as the general way."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import BARE, SMALL_VIT, Case, each_bare, each_case, layers_of
from comparison import apart, assert_same
from torch import nn
from ways import forbid_direct, goes_direct

from hf_tome import apply_tome, trace_tome
from hf_tome.families import family_of

DROPOUT = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2}


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@each_case
@torch.no_grad()
def test_with_nothing_merged_it_is_the_layer(case: Case, implementation: str) -> None:
    model = apply_tome(case.build(implementation=implementation), r=0)
    assert goes_direct(model)
    assert_same(model(**case.inputs()), case.build(implementation=implementation)(**case.inputs()))


@each_bare
def test_with_nothing_merged_it_learns_as_the_layer_does(case: Case) -> None:
    """Dropout draws the same numbers. Gradients add up in another order."""
    found: list[Any] = []
    for patched in (True, False):
        model = case.build(**DROPOUT, implementation="eager").train()
        if patched:
            assert goes_direct(apply_tome(model, r=0))
        torch.manual_seed(3)
        out = model(**case.inputs()).last_hidden_state
        (out * randn_like(out)).sum().backward()
        found.append((out, gradients_of(model)))
    (out, gradients), (plain, plain_gradients) = found
    assert_same(out, plain)
    assert apart(gradients, plain_gradients) <= 1e-5 * largest(plain_gradients)


@pytest.mark.parametrize("prop_attn", [True, False])
@each_bare
def test_equals_the_general_way(case: Case, prop_attn: bool) -> None:
    """In float64, where both ways choose the same pairs: outputs, groups and gradients."""
    found = []
    for direct in (True, False):
        model = apply_tome(case.build().double(), r=5, prop_attn=prop_attn)
        assert goes_direct(model)
        if not direct:
            assert not goes_direct(forbid_direct(model))
        with trace_tome(model) as trace:
            out = model(**case.inputs(dtype=torch.float64)).last_hidden_state
        (out * randn_like(out)).sum().backward()
        found.append((out, trace, gradients_of(model)))
    (out, trace, gradients), (general, general_trace, general_gradients) = found
    assert torch.equal(trace.groups, general_trace.groups)
    assert apart(out, general) < 1e-11
    assert apart(gradients, general_gradients) <= 1e-12 * largest(general_gradients)


def randn_like(x: torch.Tensor) -> torch.Tensor:
    """Random, and the same each time: a sum of squares after a layer norm would have no gradient."""
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)


def gradients_of(model: nn.Module) -> list[torch.Tensor]:
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def largest(gradients: list[torch.Tensor]) -> float:
    """What rounding is measured by: the gradient of a key's bias is rounding alone."""
    return max(gradient.abs().max().item() for gradient in gradients)


def test_nothing_is_drawn_while_a_model_is_patched() -> None:
    model, before = SMALL_VIT.build(), torch.get_rng_state()
    apply_tome(model, r=4)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
def test_patched_under_another_default_dtype(kind: torch.dtype) -> None:
    torch.set_default_dtype(kind)
    try:
        assert goes_direct(apply_tome(SMALL_VIT.build(), r=4))
    finally:
        torch.set_default_dtype(torch.float32)


def test_patched_under_another_default_device() -> None:
    model = SMALL_VIT.build()
    with torch.device("meta"):
        apply_tome(model, r=4)
    assert goes_direct(model)


@torch.no_grad()
def test_replaced_parts_count() -> None:
    """As LoRA puts them in, before apply_tome or after."""

    class Doubled(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * self.inner(x)

    for case in BARE:
        model, expected = apply_tome(case.build(), r=4), case.build()
        block = family_of(model).block  # pyright: ignore
        for name in (block.out, block.mlp[-1]):
            for each in (model, expected):
                layer = layers_of(each, case)[1]
                parent, _, leaf = name.rpartition(".")
                setattr(layer.get_submodule(parent), leaf, Doubled(layer.get_submodule(name)))
        assert_apart_by_rounding(model, apply_tome(expected, r=4), case)


def assert_apart_by_rounding(model: nn.Module, other: nn.Module, case: Case) -> None:
    found, expected = (each(**case.inputs()).last_hidden_state for each in (model, other))
    assert apart(found, expected) < 1e-4
