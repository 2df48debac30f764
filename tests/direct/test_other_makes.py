"""Layers that do something else than transformers' own, from the start or later, go the general way."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT, layers_of
from comparison import apart, assert_same
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.vit.modeling_vit import ViTAttention, ViTLayer
from ways import goes_direct

from hf_tome import apply_tome, trace_tome


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


@pytest.mark.parametrize("more", [0.0, 1e-6])
def test_a_version_with_another_forward_goes_the_general_way(more: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all that its class says it is transformers' own: only the trial can tell."""
    names: dict[str, Any] = {"__name__": ViTLayer.__module__, "plain": ViTLayer.forward, "more": more}
    exec("def forward(self, *args, **kwargs): return plain(self, *args, **kwargs) + more", names)
    monkeypatch.setattr(ViTLayer, "forward", names["forward"])
    assert goes_direct(apply_tome(SMALL_VIT.build(), r=4)) is (more == 0)


def observing(forward: Callable[..., Any], seen: list[int]) -> Callable[..., Any]:
    @wraps(forward)
    def observed(*args: Any, **kwargs: Any) -> Any:
        seen.append(1)
        return forward(*args, **kwargs)

    return observed


@pytest.mark.parametrize("kind", [ViTAttention, ViTLayer])
@pytest.mark.parametrize("before", [True, False])
def test_a_wrapper_around_a_forward_is_called(kind: Any, before: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    model = SMALL_VIT.build() if before else apply_tome(SMALL_VIT.build(), r=4)
    monkeypatch.setattr(kind, "forward", observing(kind.forward, seen))
    apply_tome(model, r=4)(**SMALL_VIT.inputs())
    assert len(seen) == 4


def test_a_frozen_attention_stays_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ViTAttention, "forward", torch.no_grad()(ViTAttention.forward))
    model = apply_tome(SMALL_VIT.build(), r=4)
    model(**SMALL_VIT.inputs()).logits.sum().backward()
    assert layers_of(model, SMALL_VIT)[1].attention.q_proj.weight.grad is None  # pyright: ignore


class Counting(ViTAttention):
    calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        Counting.calls += 1
        return super().__call__(*args, **kwargs)


class Fused(ViTAttention):
    """One projection for queries, keys and values."""

    def fuse(self) -> None:
        self.qkv = nn.Linear(32, 96)
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat([getattr(self, f"{name}_proj").weight for name in "qkv"]))
            self.qkv.bias.copy_(torch.cat([getattr(self, f"{name}_proj").bias for name in "qkv"]))
        for name in "qkv":
            part = slice(32 * "qkv".index(name), 32 * "qkv".index(name) + 32)
            delattr(self, f"{name}_proj")
            setattr(self, f"{name}_part", part)

    def forward(self, hidden_states: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        heads = (*hidden_states.shape[:2], -1, self.head_dim)
        fused = self.qkv(hidden_states)
        q, k, v = (fused[..., getattr(self, f"{name}_part")].view(heads).transpose(1, 2) for name in "qkv")
        function = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        out, weights = function(self, q, k, v, attention_mask, scaling=self.scaling, **kwargs)
        return self.o_proj(out.reshape(*hidden_states.shape[:2], -1)), weights


@torch.no_grad()
def test_a_subclass_of_the_attention_counts() -> None:
    model, fused, expected = SMALL_VIT.build(), SMALL_VIT.build(), apply_tome(SMALL_VIT.build(), r=4)
    for layer in layers_of(model, SMALL_VIT):
        layer.attention.__class__ = Counting  # pyright: ignore
    for layer in layers_of(fused, SMALL_VIT):
        layer.attention.__class__ = Fused  # pyright: ignore
        layer.attention.fuse()  # pyright: ignore
    for each in (model, fused):
        assert not goes_direct(apply_tome(each, r=4))
        assert apart(each(**SMALL_VIT.inputs()).logits, expected(**SMALL_VIT.inputs()).logits) < 1e-5
    assert Counting.calls == 4


class Wrapped(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.inner(*args, **kwargs)


@pytest.mark.parametrize(("case", "name"), [(SMALL_VIT, "attention"), (SMALL_VIDEO, "output")])
@torch.no_grad()
def test_a_part_may_be_wrapped_later(case: Any, name: str) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs()).logits
    layer = layers_of(model, case)[1]
    setattr(layer, name, Wrapped(getattr(layer, name)))
    assert apart(model(**case.inputs()).logits, expected) < 1e-5


@torch.no_grad()
def test_a_fresh_attention_where_nothing_merges() -> None:
    model = apply_tome(SMALL_VIT.build(), r=[4, 0, 4, 4])
    layer: Any = layers_of(model, SMALL_VIT)[1]
    layer.attention = ViTAttention(SMALL_VIT.build().config)  # pyright: ignore
    assert model(**SMALL_VIT.inputs()).logits.isfinite().all()


@pytest.mark.parametrize("change", ["heads", "causal", "dropout", "compiled"])
@torch.no_grad()
def test_what_is_changed_on_a_module_counts(change: str) -> None:
    """The same change on a plain model is the oracle; nothing merges."""
    found = []
    for model in (apply_tome(SMALL_VIT.build(), r=0), SMALL_VIT.build()):
        calls: list[int] = []
        for layer in layers_of(model, SMALL_VIT):
            if change == "heads":
                layer.attention.num_attention_heads = 1  # pyright: ignore
            elif change == "causal":
                layer.attention.is_causal = True  # pyright: ignore
            elif change == "dropout":
                layer.dropout.forward = lambda x: 2 * x  # pyright: ignore
            else:
                for part in (layer.attention, layer.mlp):  # pyright: ignore
                    part.compile(backend=lambda graph, inputs, calls=calls: calls.append(1) or graph.forward)  # pyright: ignore
        found.append((model(**SMALL_VIT.inputs()).logits, len(calls)))
    assert_same(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@torch.no_grad()
def test_one_layer_may_have_eager_attention() -> None:
    model = SMALL_VIT.build()
    layer: Any = layers_of(model, SMALL_VIT)[2]
    layer.attention.config = type(model.config)(**{**model.config.to_dict(), "attn_implementation": "eager"})
    apply_tome(model, r=4)
    weights = []
    layer.attention.register_forward_hook(lambda module, args, output: weights.append(output[1]))
    model(**SMALL_VIT.inputs())
    assert weights[0].shape[-1] == SMALL_VIT.tokens - 8


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@torch.no_grad()
def test_a_mask_by_name_reaches_a_layer(implementation: str) -> None:
    model = apply_tome(SMALL_VIT.build(implementation=implementation), r=4)
    expected = model(**SMALL_VIT.inputs()).logits
    for layer in layers_of(model, SMALL_VIT):
        layer.register_forward_pre_hook(
            lambda module, args, kwargs: (args[:1], {**kwargs, "attention_mask": None}), with_kwargs=True
        )
    assert_same(model(**SMALL_VIT.inputs()).logits, expected)


@pytest.mark.parametrize("r", [8, 10, 17])
@torch.no_grad()
def test_a_hook_may_drop_tokens_before_a_layer(r: int) -> None:
    """Then r is more than half of what is left."""
    model = apply_tome(SMALL_VIT.build(), r=[r])
    layers_of(model, SMALL_VIT)[0].register_forward_pre_hook(lambda module, args: (args[0][:, :12], *args[1:]))
    with trace_tome(model) as trace:
        for _ in range(20):
            model.vit(**SMALL_VIT.inputs(batch=4))
    assert trace.sizes.shape == (4, 7)
    assert goes_direct(model)


@torch.no_grad()
def test_another_default_device_in_a_forward() -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    expected, inputs = model(**SMALL_VIT.inputs()), SMALL_VIT.inputs()
    with torch.device("meta"):
        assert_same(model(**inputs), expected)


def test_the_trial_is_not_seen() -> None:
    with FlopCounterMode(display=False) as flops:
        apply_tome(SMALL_VIT.build(), r=4)
    assert flops.get_total_flops() == 0
    twin = SMALL_VIT.build()
    with FakeTensorMode():
        apply_tome(twin, r=4)
    assert goes_direct(twin)


@pytest.mark.parametrize("why", ["attentions", "hook", "flops"])
def test_a_recompute_goes_the_same_way(why: str) -> None:
    """Whoever looks on in the forward may be gone by the time of the backward."""
    found = []
    for checkpointing in (True, False):
        model = apply_tome(SMALL_VIT.build(implementation="eager"), r=4).train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})  # pyright: ignore
        handle = None
        if why == "hook":
            handle = layers_of(model, SMALL_VIT)[1].attention.register_forward_hook(lambda *_: None)  # pyright: ignore
        with FlopCounterMode(display=False) if why == "flops" else torch.enable_grad():
            out = model(**SMALL_VIT.inputs(), output_attentions=why == "attentions").logits
        if handle is not None:
            handle.remove()
        out.square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
    assert apart(*found) < 1e-4
