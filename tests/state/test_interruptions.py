"""Exceptions, interrupts and other forwards in the middle of a forward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT, Case, layers_of, tower_of
from comparison import assert_same
from layouts import each_layout
from torch import nn

from hf_tome import apply_tome, trace_tome
from hf_tome.engine.state import LOCAL


class Broken(Exception):
    pass


def raise_broken(*_: Any) -> None:
    raise Broken


def places(model: nn.Module, case: Case) -> list[nn.Module]:
    """One module in each part of a forward: before the layers, in each part of a layer, and in the last one's end."""
    layers, family = layers_of(model, case), case.family
    inner = [layers[1].get_submodule(path) for path in (family.key, "layernorm_before", "layernorm_after", "attention")]
    return [tower_of(model, case).embeddings, *inner, layers[1], layers[-1], tower_of(model, case)]  # pyright: ignore


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("place", range(8))
@each_layout
@torch.no_grad()
def test_an_exception_in_the_middle_leaves_nothing_behind(case: Case, place: int, before: bool) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    module = places(model, case)[place]
    hook = module.register_forward_pre_hook(raise_broken) if before else module.register_forward_hook(raise_broken)
    for _ in range(2):
        with pytest.raises(Broken):
            model(**case.inputs(3))
        assert LOCAL.now.forward is None
        assert LOCAL.now.record is None
    hook.remove()
    assert_same(model(**case.inputs()), expected)


@torch.no_grad()
def test_an_interrupt_leaves_the_next_forward_right() -> None:
    """Ctrl-C is no Exception: torch does not call hooks for it."""
    model = apply_tome(SMALL_VIT.build(), r=4)
    expected = model(**SMALL_VIT.inputs())

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    hook = places(model, SMALL_VIT)[3].register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        model(**SMALL_VIT.inputs(3))
    hook.remove()
    assert_same(model(**SMALL_VIT.inputs()), expected)
    LOCAL.now.forward = None  # what is left of the interrupted forward reaches no other


@pytest.mark.parametrize(
    ("place", "inside"),
    [
        *((place, inside) for place in range(8) for inside in ("another patched model", "the same model")),
        *((4, inside) for inside in ("a plain model", "one that fails")),
    ],
)
@torch.no_grad()
def test_a_forward_inside_a_forward(place: int, inside: str) -> None:
    outer, inner = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIDEO.build()
    if inside != "a plain model":
        apply_tome(inner, r=3)
    alone, seen, busy = inner(**SMALL_VIDEO.inputs()), [], [True]

    def call(*_: Any) -> None:
        if busy:
            return
        busy.append(True)
        if inside == "the same model":
            seen.append(outer(**SMALL_VIT.inputs()))
        elif inside == "one that fails":
            with pytest.raises(RuntimeError):
                inner(pixel_values=torch.zeros(1, 2, 3, 16, 16))  # too few frames: its embeddings fail
        else:
            seen.append(inner(**SMALL_VIDEO.inputs()))
        busy.pop()

    places(outer, SMALL_VIT)[place].register_forward_hook(call)
    expected = outer(**SMALL_VIT.inputs())  # a hook that does nothing yet
    busy.clear()
    with trace_tome(outer) as trace:
        assert_same(outer(**SMALL_VIT.inputs()), expected)
    for result in seen:
        assert_same(result, expected if inside == "the same model" else alone)
    assert all(each.token_counts == [37, 33, 29, 25, 21] for each in trace.forwards)


@torch.no_grad()
def test_a_layer_called_by_itself_is_the_plain_layer() -> None:
    model, plain, x = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.build(), torch.randn(2, 9, 32)
    ours, theirs = layers_of(model, SMALL_VIT)[1], layers_of(plain, SMALL_VIT)[1]
    assert torch.equal(ours(x), theirs(x))
