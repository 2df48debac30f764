"""A layer that is transformers' own runs in one go: the same result as the general way, and only where that is so."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import BARE, CLASSIFIERS, SMALL_VIDEO, SMALL_VIT, Case, each_bare, each_case, each_classifier, layers_of
from comparison import apart, assert_same
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from transformers.models.vit.modeling_vit import ViTAttention, ViTLayer
from ways import forbid_direct, goes_direct

from hf_tome import apply_tome, trace_tome
from hf_tome.adapters import family_of

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


class ScaledLayer(ViTLayer):
    """A user's own layer: the same modules, another forward."""

    def forward(self, hidden_states, attention_mask=None, **kwargs):
        residual = hidden_states + self.attention(self.layernorm_before(hidden_states), attention_mask, **kwargs)[0]
        return residual + 0.5 * self.mlp(self.layernorm_after(residual))


@torch.no_grad()
def test_a_layer_with_another_forward_goes_the_general_way() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs()
    for layer in layers_of(model, SMALL_VIT):
        layer.__class__ = ScaledLayer
    apply_tome(model, r=4)
    assert not goes_direct(model)
    twin = apply_tome(SMALL_VIT.build(), r=4)
    for layer in layers_of(twin, SMALL_VIT):  # the same function, written into the weights of a plain ViT
        layer.mlp.fc2.weight.mul_(0.5)  # pyright: ignore
        layer.mlp.fc2.bias.mul_(0.5)  # pyright: ignore
    assert goes_direct(twin)
    assert apart(model(**inputs).logits, twin(**inputs).logits) < 1e-5


def test_a_version_with_another_forward_goes_the_general_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class says that it is transformers' own: only a trial can tell."""
    plain = ViTLayer.forward

    def forward(self: Any, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        return plain(self, hidden_states, *args, **kwargs) + 1e-6

    forward.__module__ = ViTLayer.__module__
    monkeypatch.setattr(ViTLayer, "forward", forward)
    assert not goes_direct(apply_tome(SMALL_VIT.build(), r=4))


def test_a_forward_that_is_replaced_later_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    for kind in (ViTAttention, ViTLayer):
        with monkeypatch.context() as patch:
            patch.setattr(kind, "forward", lambda self, x, *args, **kwargs: (x, None))
            assert kind is ViTLayer or not goes_direct(model)
            with torch.no_grad(), pytest.raises((AttributeError, ValueError)):  # what it returns is no tensor, or
                model(**SMALL_VIT.inputs())  # its attention passes no keys on
    assert goes_direct(model)


def parts_of(case: Case) -> list[tuple[Case, str, bool]]:
    """The parts of a layer by path, and whether one may be hooked while the layer runs in one go."""
    model = case.build()
    block = family_of(case.build().base_model).block  # pyright: ignore
    closed = {*block.around, block.norm2, *block.mlp, block.dropout2, block.mlp_out}
    return [(case, name, name not in closed) for name, _ in layers_of(model, case)[0].named_modules() if name]


@pytest.mark.parametrize(("case", "name", "free"), [part for case in CLASSIFIERS for part in parts_of(case)])
@pytest.mark.parametrize("kind", ["forward_pre", "forward", "full_backward_pre", "full_backward"])
def test_a_hook_between_the_parts_forbids_it(case: Case, name: str, free: bool, kind: str) -> None:
    model = apply_tome(case.build(), r=4)
    part = layers_of(model, case)[0].get_submodule(name)
    handle = getattr(part, f"register_{kind}_hook")(lambda *_: None)
    assert goes_direct(model) is free
    handle.remove()
    assert goes_direct(model)


def test_a_hook_on_all_modules_forbids_it() -> None:
    model, seen = apply_tome(SMALL_VIT.build(), r=4), []
    handle = register_module_forward_hook(lambda module, args, output: seen.append(type(module).__name__))
    try:
        model(**SMALL_VIT.inputs())
    finally:
        handle.remove()
    assert seen.count("ViTAttention") == 4
    assert goes_direct(model)


@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
def test_a_forward_of_its_own_forbids_it(case: Case) -> None:
    """As accelerate's hooks set it on a module."""
    model, seen = apply_tome(case.build(), r=4), []
    part = layers_of(model, case)[0].attention
    plain = part.forward

    def forward(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return plain(*args, **kwargs)

    part.forward = forward  # pyright: ignore
    assert not goes_direct(model)
    model(**case.inputs())
    assert seen == [1]


@each_classifier
@torch.no_grad()
def test_what_transformers_leaves_on_a_model_does_not_slow_it_down(case: Case) -> None:
    """Its hooks stay once outputs were asked for. Only while attentions are asked for do they see any."""
    model = apply_tome(case.build(implementation="eager"), r=4)
    plain = model(**case.inputs())
    outputs = model(**case.inputs(), output_attentions=True, output_hidden_states=True)
    assert [weights.shape[-1] for weights in outputs.attentions] == [case.tokens - 4 * layer for layer in range(4)]
    assert apart(outputs.logits, plain.logits) < 1e-5
    assert goes_direct(model)
    assert_same(model(**case.inputs()), plain)


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
