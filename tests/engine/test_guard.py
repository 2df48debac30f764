"""A block runs only in place of a forward that computes the same; a user may bring one."""

from __future__ import annotations

import copy
import io
import threading
from functools import wraps
from typing import Any

import pytest
import torch
from cases import BARE, SMALL_VIT, Case, each_bare, layers_of
from comparison import apart, assert_same
from torch import nn
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.vit.modeling_vit import ViTLayer

from hf_tome import ToMeTypeError, UnsupportedModelError, apply_tome, remove_tome
from hf_tome.engine import guard
from hf_tome.families import family_of


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test is the first one."""
    monkeypatch.setattr(guard, "_agreed", set())


@each_bare
@pytest.mark.parametrize("training", [True, False])
def test_the_block_is_the_layer_with_dropout_too(case: Case, training: bool) -> None:
    model: Any = case.build(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2).train(training)
    family, layer, x = family_of(model), layers_of(model, case)[0], torch.randn(2, 9, 32)
    assert family is not None
    outputs = []
    for run in (layer, lambda x: family.block(layer, x, merge=guard._nothing_merges)):
        torch.manual_seed(3)
        outputs.append(run(x))
    assert torch.equal(*outputs)


def run(layer: Any, x: Any, *, merge: Any, order: str = "plain", **kwargs: Any) -> Any:
    """ViT's block, or one with a mistake."""
    if order == "no first dropout":
        x = merge(layer.attention(layer.layernorm_before(x), **kwargs)[0] + x)
    elif order == "mask lost":
        kwargs["attention_mask"] = None
        x = merge(layer.dropout(layer.attention(layer.layernorm_before(x), **kwargs)[0]) + x)
    elif order == "keywords lost":
        x = merge(layer.dropout(layer.attention(layer.layernorm_before(x), kwargs["attention_mask"])[0]) + x)
    elif order == "norms swapped":
        x = merge(layer.dropout(layer.attention(layer.layernorm_after(x), **kwargs)[0]) + x)
        return layer.dropout(layer.mlp(layer.layernorm_before(x))) + x
    else:
        x = merge(layer.dropout(layer.attention(layer.layernorm_before(x), **kwargs)[0]) + x)
    return layer.dropout(layer.mlp(layer.layernorm_after(x))) + x


MISTAKES = ("no first dropout", "mask lost", "keywords lost", "norms swapped")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_block_with_a_mistake_is_refused(mistake: str) -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()

    def block(*args: Any, **kwargs: Any) -> Any:
        return run(*args, order=mistake, **kwargs)

    with pytest.raises(UnsupportedModelError, match=r"ViTLayer\.forward computes\. Got: another result"):
        apply_tome(model, r=4, block=block)
    assert_same(model(**SMALL_VIT.inputs()), plain(**SMALL_VIT.inputs()))


class ScaledLayer(ViTLayer):
    """A user's own layer: the same modules, another forward."""

    def __init__(self, *args: Any) -> None:
        raise AssertionError("no class of the user's is built")

    def forward(self, hidden_states: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        residual = hidden_states + self.attention(self.layernorm_before(hidden_states), attention_mask, **kwargs)[0]
        return residual + 0.5 * self.mlp(self.layernorm_after(residual))


def scaled_block(layer: Any, x: Any, *args: Any, merge: Any, **kwargs: Any) -> Any:
    x = merge(x + layer.attention(layer.layernorm_before(x), *args, **kwargs)[0])
    return x + 0.5 * layer.mlp(layer.layernorm_after(x))


class SameLayer(ViTLayer):
    """A user's own layer with transformers' forward."""

    def __init__(self, *args: Any) -> None:
        raise AssertionError("no class of the user's is built")


@torch.no_grad()
def test_a_layer_with_another_forward_needs_a_block_of_its_own() -> None:
    model, inputs = SMALL_VIT.build(), SMALL_VIT.inputs()
    for layer in layers_of(model, SMALL_VIT):
        layer.__class__ = ScaledLayer
    with pytest.raises(UnsupportedModelError, match=r"ScaledLayer\.forward from test_guard.*block=function"):
        apply_tome(model, r=4)
    with pytest.raises(ToMeTypeError, match="block is a function"):
        apply_tome(model, r=4, block="vit")  # pyright: ignore
    apply_tome(model, r=4, block=scaled_block)
    twin = apply_tome(SMALL_VIT.build(), r=4)
    for layer in layers_of(twin, SMALL_VIT):  # the same function, written into the weights of a plain ViT
        layer.mlp.fc2.weight.mul_(0.5)  # pyright: ignore
        layer.mlp.fc2.bias.mul_(0.5)  # pyright: ignore
    assert apart(model(**inputs).logits, twin(**inputs).logits) < 1e-5
    apply_tome(model, r=2)  # keeps the block
    assert apart(model(**inputs).logits, apply_tome(twin, r=2)(**inputs).logits) < 1e-5
    for each in (model, twin):  # cut off a layer
        each.vit.layers = each.vit.layers[:-1]
        apply_tome(each, r=2)
    assert apart(model(**inputs).logits, twin(**inputs).logits) < 1e-5
    assert type(layers_of(remove_tome(model), SMALL_VIT)[0]) is ScaledLayer


@torch.no_grad()
def test_a_subclass_that_inherits_the_forward_is_merged() -> None:
    model = SMALL_VIT.build()
    for layer in layers_of(model, SMALL_VIT):
        layer.__class__ = SameLayer
    assert_same(apply_tome(model, r=4)(**SMALL_VIT.inputs()), apply_tome(SMALL_VIT.build(), r=4)(**SMALL_VIT.inputs()))


def another_version(monkeypatch: pytest.MonkeyPatch, more: float) -> None:
    """A forward that is transformers' own by all that it says of itself."""
    names: dict[str, Any] = {"__name__": ViTLayer.__module__, "plain": ViTLayer.forward, "more": more}
    exec("def forward(self, x, attention_mask=None, **kw): return plain(self, x, attention_mask, **kw) + more", names)
    monkeypatch.setattr(ViTLayer, "forward", names["forward"])


@pytest.mark.parametrize("more", [0.0, 1e-6])
def test_another_version_of_transformers(more: float, monkeypatch: pytest.MonkeyPatch) -> None:
    another_version(monkeypatch, more)
    if more:
        with pytest.raises(UnsupportedModelError, match="another result"):
            apply_tome(SMALL_VIT.build(), r=4)
    else:
        apply_tome(SMALL_VIT.build(), r=4)


@torch.no_grad()
def test_a_forward_that_changes_after_apply_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    another_version(monkeypatch, 1e-6)
    with pytest.raises(UnsupportedModelError, match="another result"):
        model(**SMALL_VIT.inputs())


def test_a_loaded_model_is_checked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    torch.save(apply_tome(SMALL_VIT.build(), r=4), file)
    file.seek(0)
    another_version(monkeypatch, 1e-6)
    with pytest.raises(UnsupportedModelError, match="another result"):
        torch.load(file, weights_only=False)


@pytest.mark.parametrize("wrapper", [torch.no_grad(), lambda f: wraps(f)(lambda *a, **k: f(*a, **k))])
def test_what_a_user_wraps_around_the_forward_is_not_lost(wrapper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ViTLayer, "forward", wrapper(ViTLayer.forward))
    with pytest.raises(UnsupportedModelError, match="wrapped there"):
        apply_tome(SMALL_VIT.build(), r=4)


def test_the_guard_draws_nothing_and_is_not_seen() -> None:
    """Another thread that draws random numbers meanwhile must not get the same ones twice."""
    states, seen, drawn, go = torch.get_rng_state(), [], [], threading.Event()

    def draw() -> None:
        while not go.is_set():
            drawn.append(tuple(torch.rand(4).tolist()))

    models = [case.build() for case in BARE]
    torch.set_rng_state(states)
    handle = register_module_forward_hook(lambda module, args, output: seen.append(type(module)))
    with FlopCounterMode(display=False) as flops:
        for model in models:
            apply_tome(model, r=4)
    handle.remove()
    assert torch.equal(torch.get_rng_state(), states)
    assert flops.get_total_flops() == 0
    assert seen == []
    thread = threading.Thread(target=draw)
    thread.start()
    for model in models * 5:
        guard._agreed.clear()
        apply_tome(remove_tome(model), r=4)
    go.set()
    thread.join()
    assert len(set(drawn)) == len(drawn)


def test_a_layer_without_a_part_is_refused() -> None:
    model = SMALL_VIT.build()
    del layers_of(model, SMALL_VIT)[1].mlp
    with pytest.raises(UnsupportedModelError, match="does not run on stand-ins"):
        apply_tome(model, r=4)
    assert "_tome" not in vars(model.vit)


@torch.no_grad()
def test_an_idle_part_on_a_layer_changes_nothing() -> None:
    """Another child module, which the forward does not call."""
    model = SMALL_VIT.build()
    for layer in layers_of(model, SMALL_VIT):
        layer.probe = nn.Identity()
    assert_same(apply_tome(model, r=4)(**SMALL_VIT.inputs()), apply_tome(SMALL_VIT.build(), r=4)(**SMALL_VIT.inputs()))


def test_a_deepcopy_is_as_good_as_the_model() -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    with torch.no_grad():
        assert_same(copy.deepcopy(model)(**SMALL_VIT.inputs()), model(**SMALL_VIT.inputs()))
