"""Which models are merged and which are refused, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import FAMILIES, SMALL_VIT, Case, each_bare, layers_of, tower_of
from comparison import apart
from torch import nn
from transformers import BertConfig, BertModel, SwinConfig, SwinModel, ViTModel
from untouched import photograph

from hf_tome import NotPatchedError, ToMeTypeError, UnsupportedModelError, apply_tome, remove_tome, trace_tome


def swin() -> nn.Module:
    return SwinModel(SwinConfig(image_size=16, patch_size=4, embed_dim=8, depths=[1], num_heads=[1], window_size=2))


def bert() -> nn.Module:
    return BertModel(
        BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    )


@pytest.mark.parametrize("build", [swin, bert, lambda: nn.Linear(2, 2)], ids=["swin", "bert", "linear"])
@pytest.mark.parametrize("settings", [{"r": 3}, {}])
def test_unsupported_models_are_refused_and_the_families_named(
    build: Callable[[], nn.Module], settings: dict[str, Any]
) -> None:
    model = build()
    before = photograph(model)
    with pytest.raises(UnsupportedModelError) as caught:
        apply_tome(model, **settings)
    assert all(family.model_type in str(caught.value) for family in FAMILIES)
    assert type(model).__name__ in str(caught.value)
    assert photograph(model) == before
    with pytest.raises(NotPatchedError), trace_tome(model):
        pass
    assert photograph(remove_tome(model)) == before


def test_a_known_reason_is_told() -> None:
    with pytest.raises(UnsupportedModelError, match="windowed attention"):
        apply_tome(swin(), r=3)


@pytest.mark.parametrize("call", [apply_tome, remove_tome])
@pytest.mark.parametrize("model", [None, "vit", 3, {}])
def test_what_is_no_module_is_refused(call: Callable[..., Any], model: Any) -> None:
    with pytest.raises(ToMeTypeError):
        call(model)
    with pytest.raises(ToMeTypeError), trace_tome(model):
        pass


@each_bare
def test_an_attention_from_elsewhere_is_refused_before_anything_is_written(case: Case) -> None:
    model, twin = case.build(), case.build()
    for each in (model, twin):
        layers_of(each, case)[-1].attention = nn.MultiheadAttention(32, 2)
    with pytest.raises(UnsupportedModelError, match="attention"):
        apply_tome(model, r=3)
    assert photograph(model) == photograph(twin)


def test_an_attention_that_never_calls_the_interface_is_told() -> None:
    """Only its forward can show that: a subclass that computes by itself."""

    class OwnAttention(type(layers_of(SMALL_VIT.build(), SMALL_VIT)[0].attention)):
        def forward(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, None]:
            return hidden_states, None

    model = SMALL_VIT.build()
    layers_of(model, SMALL_VIT)[1].attention.__class__ = OwnAttention
    apply_tome(model, r=3)
    with pytest.raises(UnsupportedModelError, match="interface"):
        model(**SMALL_VIT.inputs())


@torch.no_grad()
def test_subclasses_of_a_supported_model_and_of_its_parts_work() -> None:
    class MyModel(ViTModel):
        pass

    model, case = SMALL_VIT.build(), SMALL_VIT
    tower, expected = tower_of(model, case), apply_tome(case.build(), r=3)(**case.inputs())
    tower.__class__ = MyModel
    for layer in layers_of(model, case):
        layer.__class__ = type("MyLayer", (type(layer),), {})
        layer.attention.__class__ = type("MyAttention", (type(layer.attention),), {})
    classes = [type(module) for module in model.modules()]
    assert apart(apply_tome(model, r=3)(**case.inputs()).logits, expected.logits) <= 1e-5  # by the general way
    assert [type(module) for module in remove_tome(model).modules()] == classes


def test_layers_that_share_a_module_are_refused():
    model = SMALL_VIT.build()
    layers = model.vit.layers
    layers[1] = layers[0]
    with pytest.raises(UnsupportedModelError, match="a module of its own"):
        apply_tome(model, r=3)
