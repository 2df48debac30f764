"""Hooks of the user's own on the parts of a layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import CLASSIFIERS, Case, layers_of
from comparison import apart, tensors_of
from ways import forbid_direct

from hf_tome import apply_tome


def tilted(value: Any) -> Any:
    """Another factor for each channel, which no layer norm takes back."""
    if isinstance(value, tuple):
        return (tilted(value[0]), *value[1:])
    return value * torch.linspace(0.5, 1.5, value.shape[-1])


PARTS = [(case, name) for case in CLASSIFIERS for name, _ in layers_of(case.build(), case)[1].named_modules()]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("case", "name"), PARTS, ids=lambda value: getattr(value, "name", value))
@torch.no_grad()
def test_a_hook_on_any_part_of_a_layer_counts(case: Case, name: str, before: bool) -> None:
    """It sees and changes the same, whether a layer may run in one go or not."""
    outputs, inputs_seen = [], []
    for direct in (True, False):
        model, seen = apply_tome(case.build(), r=4), []
        if not direct:
            forbid_direct(model)
        part = layers_of(model, case)[1].get_submodule(name)
        if before:
            part.register_forward_pre_hook(lambda module, args: tilted(args))
        else:
            part.register_forward_hook(lambda module, args, output: tilted(output))
        part.register_forward_hook(lambda module, args, output, seen=seen: seen.extend([args[0], *tensors_of(output)]))
        outputs.append(model(**case.inputs()).logits)
        inputs_seen.append(seen)
    assert apart(*outputs) <= 1e-5
    assert apart(outputs[0], apply_tome(case.build(), r=4)(**case.inputs()).logits) > 1e-5
    assert [tuple(tensor.shape) for tensor in inputs_seen[0]] == [tuple(tensor.shape) for tensor in inputs_seen[1]]
    assert apart(*inputs_seen) <= 1e-5
