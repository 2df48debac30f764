"""The parts of a layer are called as modules: hooks on them, and whatever replaces them, count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import CLASSIFIERS, SMALL_VIDEO, SMALL_VIT, Case, each_classifier, layers_of
from comparison import apart, assert_same
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.vit.modeling_vit import ViTAttention

from hf_tome import UnsupportedModelError, apply_tome

PARTS = [(case, name) for case in CLASSIFIERS for name, _ in layers_of(case.build(), case)[1].named_modules()]
AFTER = ("layernorm_after", "mlp", "intermediate", "output")  # these see merged tokens


def tilted(value: Any) -> Any:
    """Another factor for each channel, which no layer norm takes back."""
    if isinstance(value, tuple):
        return (tilted(value[0]), *value[1:])
    return value * torch.linspace(0.5, 1.5, value.shape[-1])


@pytest.mark.parametrize(("case", "name"), PARTS, ids=lambda value: getattr(value, "name", value))
@torch.no_grad()
def test_a_hook_on_any_part_of_a_layer_counts(case: Case, name: str) -> None:
    """It sees the tokens that are there, and what it returns is used."""
    plain, model, seen = apply_tome(case.build(), r=4)(**case.inputs()).logits, apply_tome(case.build(), r=4), []
    part = layers_of(model, case)[1].get_submodule(name)
    part.register_forward_hook(lambda module, args, output: seen.append(args[0].shape[1]) or tilted(output))
    out = model(**case.inputs()).logits
    before, after = case.tokens - 4, case.tokens - 8
    expected = after if name.split(".")[0] in AFTER else before
    assert seen == ([before, after] if name == "dropout" else [expected])  # ViT's one dropout runs twice
    assert apart(out, plain) > 1e-5


class Fused(nn.Module):
    """A norm as quantised or fused ones are: another class that computes the same."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = [norm]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        norm = self.norm[0]
        return nn.functional.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


@each_classifier
@torch.no_grad()
def test_a_norm_that_is_replaced_after_apply(case: Case) -> None:
    """With a hook on another part too, which must change nothing."""
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    for layer in layers_of(model, case):
        layer.layernorm_after = Fused(layer.layernorm_after)  # pyright: ignore
    layers_of(model, case)[1].layernorm_before.register_forward_hook(lambda *_: None)  # pyright: ignore
    assert_same(model(**case.inputs()), expected)


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module, factor: float = 1) -> None:
        super().__init__()
        self.inner, self.factor = inner, factor

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        out = self.inner(*args, **kwargs)
        return out if self.factor == 1 else self.factor * out


@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
@torch.no_grad()
def test_parts_that_are_wrapped_before_or_after_apply(case: Case) -> None:
    """As adapters wrap linear layers, with a change of the output, and others the attention as a whole."""
    early, late = case.build(), apply_tome(case.build(), r=4)
    for model in (early, late):
        for layer in layers_of(model, case):
            layer.attention = Wrapped(layer.attention) if model is late else layer.attention  # pyright: ignore
            last = "mlp.fc2" if case is SMALL_VIT else "output.dense"
            parent, _, name = last.rpartition(".")
            setattr(layer.get_submodule(parent), name, Wrapped(layer.get_submodule(last), 2.0))
    assert_same(apply_tome(early, r=4)(**case.inputs()), late(**case.inputs()))


class Counting(ViTAttention):
    calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        Counting.calls += 1
        return super().__call__(*args, **kwargs)


class OneProjection(ViTAttention):
    """One projection for queries, keys and values."""

    def fuse(self) -> None:
        self.qkv = nn.Linear(32, 96)
        parts = [getattr(self, f"{name}_proj") for name in "qkv"]
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat([part.weight for part in parts]))
            self.qkv.bias.copy_(torch.cat([part.bias for part in parts]))
        del self.q_proj, self.k_proj, self.v_proj

    def forward(self, hidden_states: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        heads = (*hidden_states.shape[:2], -1, self.head_dim)
        q, k, v = (part.view(heads).transpose(1, 2) for part in self.qkv(hidden_states).chunk(3, dim=-1))
        function = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        out, weights = function(self, q, k, v, attention_mask, scaling=self.scaling, **kwargs)
        return self.o_proj(out.reshape(*hidden_states.shape[:2], -1)), weights


@torch.no_grad()
def test_a_subclass_of_the_attention_counts() -> None:
    counting, fused, expected = (SMALL_VIT.build() for _ in range(3))
    for layer in layers_of(counting, SMALL_VIT):
        layer.attention.__class__ = Counting  # pyright: ignore
    for layer in layers_of(fused, SMALL_VIT):
        layer.attention.__class__ = OneProjection  # pyright: ignore
        layer.attention.fuse()  # pyright: ignore
    wanted = apply_tome(expected, r=4)(**SMALL_VIT.inputs()).logits
    for each in (counting, fused):
        assert apart(apply_tome(each, r=4)(**SMALL_VIT.inputs()).logits, wanted) < 1e-5
    assert Counting.calls == 4


@torch.no_grad()
def test_an_attention_that_is_replaced_is_patched_by_the_next_apply() -> None:
    """Until then a forward is refused, also in a layer that merges nothing: the sizes would be lost."""
    model = apply_tome(SMALL_VIT.build(), r=[4, 0, 4, 4])
    expected, layer = model(**SMALL_VIT.inputs()), layers_of(model, SMALL_VIT)[1]
    fresh: Any = ViTAttention(SMALL_VIT.build().config)  # pyright: ignore
    fresh.load_state_dict(layer.attention.state_dict())  # pyright: ignore
    layer.attention = fresh.eval()  # pyright: ignore
    with pytest.raises(UnsupportedModelError, match="Call apply_tome again"):
        model(**SMALL_VIT.inputs())
    assert_same(apply_tome(model, r=[4, 0, 4, 4])(**SMALL_VIT.inputs()), expected)


CHANGES: dict[str, Callable[[Any, list], Any]] = {
    "heads": lambda layer, calls: setattr(layer.attention, "num_attention_heads", 1),
    "dropout": lambda layer, calls: setattr(layer.dropout, "forward", lambda x: 2 * x),
    "compiled": lambda layer, calls: [
        part.compile(backend=lambda graph, inputs: calls.append(1) or graph.forward)
        for part in (layer.attention, layer.mlp)
    ],
}


@pytest.mark.parametrize("change", CHANGES)
@torch.no_grad()
def test_what_is_changed_on_a_part_counts(change: str) -> None:
    """The same change on a plain model is the oracle; nothing merges."""
    found = []
    for model in (apply_tome(SMALL_VIT.build(), r=0), SMALL_VIT.build()):
        calls: list[int] = []
        for layer in layers_of(model, SMALL_VIT):
            CHANGES[change](layer, calls)
        found.append((model(**SMALL_VIT.inputs()).logits, len(calls)))
    assert_same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@torch.no_grad()
def test_one_layer_may_have_eager_attention() -> None:
    model, weights = SMALL_VIT.build(), []
    attention: Any = layers_of(model, SMALL_VIT)[2].attention
    attention.config = type(model.config)(**{**model.config.to_dict(), "attn_implementation": "eager"})
    apply_tome(model, r=4)
    attention.register_forward_hook(lambda module, args, output: weights.append(output[1]))
    model(**SMALL_VIT.inputs())
    assert weights[0].shape[-1] == SMALL_VIT.tokens - 8


@each_classifier
@torch.no_grad()
def test_attentions_and_hidden_states_can_be_asked_for(case: Case) -> None:
    model = apply_tome(case.build(implementation="eager"), r=4)
    plain = model(**case.inputs())
    outputs = model(**case.inputs(), output_attentions=True, output_hidden_states=True)
    assert [weights.shape[-1] for weights in outputs.attentions] == [case.tokens - 4 * layer for layer in range(4)]
    assert_same(outputs.logits, plain.logits)


@pytest.mark.parametrize("r", [8, 17])
@torch.no_grad()
def test_a_hook_may_drop_tokens_before_a_layer(r: int) -> None:
    """Then r is more than half of what is left: 5 of 12 tokens merge."""
    model, seen = apply_tome(SMALL_VIT.build(), r=[r]), []
    first, second = layers_of(model, SMALL_VIT)[:2]
    first.register_forward_pre_hook(lambda module, args: (args[0][:, :12], *args[1:]))
    second.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[1]))
    model.vit(**SMALL_VIT.inputs(batch=4))
    assert seen == [7]


def test_a_recompute_merges_as_the_forward_did_when_a_hook_is_gone() -> None:
    found = []
    for checkpointing in (True, False):
        model = apply_tome(SMALL_VIT.build(), r=4).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})  # pyright: ignore
        handle = layers_of(model, SMALL_VIT)[1].attention.register_forward_hook(lambda *_: None)  # pyright: ignore
        out = model(**SMALL_VIT.inputs()).logits
        handle.remove()
        out.square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    assert apart(*found) < 1e-4
