"""Hooks between the parts of a layer send it the general way, but for those that do nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import CLASSIFIERS, SMALL_VIDEO, SMALL_VIT, Case, each_classifier, layers_of
from comparison import apart, assert_same
from torch.nn.modules.module import register_module_forward_hook
from ways import goes_direct

from hf_tome import apply_tome
from hf_tome.families import family_of


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


def test_another_hook_in_the_place_of_ours_counts() -> None:
    """A second norm that was replaced has lost our hook."""
    model, seen = apply_tome(SMALL_VIT.build(), r=0), []
    layer: Any = layers_of(model, SMALL_VIT)[1]
    layer.layernorm_after = torch.nn.LayerNorm(32)
    layer.layernorm_after.register_forward_pre_hook(lambda module, args: seen.append(1))
    model(**SMALL_VIT.inputs())
    assert seen == [1]
