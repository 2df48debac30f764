"""Layers that are cut off, replaced, shared or wrapped after apply_tome, and what a forward leaves behind."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from cases import SMALL_VIT, VIT, Case, each_bare, layers_of, tower_of
from comparison import apart, assert_same
from gradients import gradients, loss_of
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import CheckpointImpl, checkpoint_wrapper
from transformers import ViTConfig, ViTModel
from untouched import assert_untouched

from hf_tome import UnsupportedModelError, apply_tome, remove_tome, trace_tome
from hf_tome.engine.state import LOCAL
from hf_tome.engine.tower import current_forward

BARE_VIT = Case(VIT, ViTModel)


@torch.no_grad()
def test_layers_that_were_cut_off() -> None:
    """The next forward is refused; the next apply merges what is there, and the tower knows its last layer."""
    model, short = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.build()
    for each in (model, short):
        each.vit.layers = each.vit.layers[:3]
        each.config.num_hidden_layers = 3
    with pytest.raises(UnsupportedModelError, match="Call apply_tome again"):
        model(**SMALL_VIT.inputs())
    assert LOCAL.now.forward is None
    apply_tome(model, r=4)
    assert_same(model(**SMALL_VIT.inputs()), apply_tome(short, r=4)(**SMALL_VIT.inputs()))
    assert model.vit(**SMALL_VIT.inputs()).last_hidden_state.shape[1] == SMALL_VIT.tokens
    fewer = SMALL_VIT.build()
    fewer.vit.layers, fewer.config.num_hidden_layers = fewer.vit.layers[:3], 3
    assert_untouched(remove_tome(model), fewer, SMALL_VIT.inputs())


@torch.no_grad()
def test_a_layer_that_was_replaced() -> None:
    model, other = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.build(seed=1)
    expected = SMALL_VIT.build()
    model.vit.layers[1] = other.vit.layers[1]
    expected.vit.layers[1] = SMALL_VIT.build(seed=1).vit.layers[1]
    with pytest.raises(UnsupportedModelError, match="Call apply_tome again"):
        model(**SMALL_VIT.inputs())
    apply_tome(model, r=4)
    ours = model(**SMALL_VIT.inputs(), output_hidden_states=True)
    assert_same(ours, apply_tome(expected, r=4)(**SMALL_VIT.inputs(), output_hidden_states=True))
    assert [h.shape[1] for h in ours.hidden_states] == [SMALL_VIT.tokens] * 5


@torch.no_grad()
def test_a_layer_of_another_tower_is_refused_and_nothing_is_written() -> None:
    first, second, plain = SMALL_VIT.build(), SMALL_VIT.build(seed=1), SMALL_VIT.build(seed=1)
    second.vit.layers[1] = first.vit.layers[1]
    expected = apply_tome(first, r=4)(**SMALL_VIT.inputs())
    with pytest.raises(UnsupportedModelError, match="belongs to one tower"):
        apply_tome(second, r=2)
    assert_same(first(**SMALL_VIT.inputs()), expected)
    second.vit.layers[1] = plain.vit.layers[1]
    assert not [name for name, module in second.named_modules() if "_tome" in vars(module)]
    assert_same(second(**SMALL_VIT.inputs()), SMALL_VIT.build(seed=1)(**SMALL_VIT.inputs()))


@torch.no_grad()
def test_a_compiled_tower_is_one_tower() -> None:
    """torch.compile's wrapper, like PEFT's, forwards the attributes of what it wraps."""
    plain = BARE_VIT.build()
    model: Any = torch.compile(apply_tome(plain, r=4), backend="eager")
    with trace_tome(model) as trace:
        model(**BARE_VIT.inputs())
    assert len(trace) == 1
    remove_tome(model)
    del plain._is_torch_compile  # transformers' own note
    assert_untouched(plain, BARE_VIT.build(), BARE_VIT.inputs())


@pytest.mark.parametrize("when", ["before", "after"])
@each_bare
def test_layers_in_checkpoint_wrappers(case: Case, when: str) -> None:
    """As FSDP plugins put them around layers. The gradients are those without."""
    found = []
    for wrap in (False, True):
        model = case.build().train()
        if when == "after":
            apply_tome(model, r=4)
        holder = tower_of(model, case).get_submodule(case.family.layers)
        for index in range(len(layers_of(model, case)) if wrap else 0):
            holder[index] = checkpoint_wrapper(holder[index], checkpoint_impl=CheckpointImpl.NO_REENTRANT)  # pyright: ignore
        if when == "before":
            apply_tome(model, r=4)
        grads = gradients(model, lambda m=model: loss_of(m, case, case.inputs()).backward())
        found.append({name.replace("_checkpoint_wrapped_module.", ""): grad for name, grad in grads.items()})
        remove_tome(model)
        assert not [name for name, module in model.named_modules() if "_tome" in vars(module)]
    assert found[0].keys() == found[1].keys()
    assert all(torch.allclose(found[0][name], found[1][name], atol=1e-6) for name in found[0])


def test_two_forwards_before_a_backward_in_checkpoint_wrappers() -> None:
    found = []
    for wrap in (False, True):
        model, losses = apply_tome(BARE_VIT.build().train(), r=4), []
        for index in range(4 if wrap else 0):
            model.layers[index] = checkpoint_wrapper(model.layers[index])
        for seed, batch in ((1, 2), (2, 3)):
            losses.append(model(**BARE_VIT.inputs(batch, seed)).last_hidden_state.square().sum())
        (losses[0] + 2 * losses[1]).backward()
        found.append([parameter.grad for parameter in model.layers.parameters()])
    assert apart(*found) < 1e-3


def test_a_reentrant_checkpoint_wrapper_is_refused() -> None:
    model = apply_tome(BARE_VIT.build().train(), r=4)
    for index in range(4):
        model.layers[index] = checkpoint_wrapper(model.layers[index], checkpoint_impl=CheckpointImpl.REENTRANT)
    with pytest.raises(UnsupportedModelError, match="non-reentrant"):
        model(**BARE_VIT.inputs())


@torch.no_grad()
def test_a_layer_called_in_a_hook_of_another_tower_is_the_plain_layer() -> None:
    outer, inner, plain = apply_tome(SMALL_VIT.build(), r=4), BARE_VIT.build(seed=1), BARE_VIT.build(seed=1)
    x, seen = torch.randn(2, 9, 32), []
    apply_tome(inner, r=4)
    inside: Any = layers_of(outer, SMALL_VIT)[1]
    inside.attention.register_forward_hook(lambda *_: seen.append(inner.layers[0](x)))
    inside.attention.register_forward_hook(lambda *_: seen.append(inner.layers[0].attention(x)[0]))
    outer(**SMALL_VIT.inputs())
    assert_same(seen[0], plain.layers[0](x))
    assert_same(seen[1], plain.layers[0].attention(x)[0])


@pytest.mark.parametrize("place", ["embeddings", "layers.1.attention", "layers.3", "layernorm"])
@torch.no_grad()
def test_ctrl_c_leaves_nothing_that_is_read(place: str) -> None:
    """It is no Exception: torch calls no hook for it. A layer alone, other towers and the next forward are right."""
    model, plain = apply_tome(BARE_VIT.build(), r=4), BARE_VIT.build()
    expected, x = model(**BARE_VIT.inputs()), torch.randn(2, 33, 32)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    hook = model.get_submodule(place).register_forward_pre_hook(interrupt)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            model(**BARE_VIT.inputs(3))
    hook.remove()
    assert_same(model.layers[0](x), plain.layers[0](x))
    assert_same(model(**BARE_VIT.inputs()), expected)
    assert current_forward() is None


@torch.no_grad()
def test_ctrl_c_in_an_inner_forward_leaves_the_outer_one_right() -> None:
    outer, inner = apply_tome(SMALL_VIT.build(), r=4), apply_tome(BARE_VIT.build(), r=4)
    expected, inside = outer(**SMALL_VIT.inputs(), output_hidden_states=True), layers_of(outer, SMALL_VIT)[1]

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    def call(*_: Any) -> None:
        with pytest.raises(KeyboardInterrupt):
            inner(**BARE_VIT.inputs())

    inner.layers[2].register_forward_pre_hook(interrupt)
    inside.register_forward_hook(call)
    assert_same(outer(**SMALL_VIT.inputs(), output_hidden_states=True), expected)


@torch.no_grad()
def test_settings_that_change_in_mid_forward_do_not_mix() -> None:
    """A forward keeps those that it began with."""
    model, counts = apply_tome(BARE_VIT.build(), r=4), []
    expected = model(**BARE_VIT.inputs())

    def change(*_: Any) -> None:
        thread = threading.Thread(target=lambda: apply_tome(model, r=[9, 9], prop_attn=False, restore=False))
        thread.start()
        thread.join()

    handle = model.layers[1].register_forward_pre_hook(change)
    with trace_tome(model) as trace:
        assert_same(model(**BARE_VIT.inputs()), expected)
        counts.append(trace.token_counts)
    handle.remove()
    assert counts == [[37, 33, 29, 25, 21]]
    assert model(**BARE_VIT.inputs()).last_hidden_state.shape[1] == 37 - 18


@torch.no_grad()
def test_a_last_hidden_state_that_is_tied_is_restored_once() -> None:
    """transformers then gives the tower's output as the last of the hidden states."""
    config = ViTConfig(**{**VIT.settings, "tie_last_hidden_states": True})
    torch.manual_seed(0)
    model = apply_tome(ViTModel._from_config(config).eval(), r=4)
    outputs = model(**BARE_VIT.inputs(), output_hidden_states=True)
    plain = apply_tome(BARE_VIT.build(), r=4)(**BARE_VIT.inputs(), output_hidden_states=True)
    assert_same(outputs.last_hidden_state, plain.last_hidden_state)
    assert_same(outputs.hidden_states[:-1], plain.hidden_states[:-1])
    assert outputs.hidden_states[-1].shape == plain.hidden_states[-1].shape
