"""The engine against the reference: outputs of the published code on tiny random checkpoints, for every family.

The folders are read generically: another folder, or other cases in one, run by themselves.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from cases import BARE, CASES, FAMILIES
from safetensors.torch import load_file
from torch import Tensor
from transformers import PreTrainedModel

from hf_tome import apply_tome, remove_tome, trace_tome

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "fixtures" / "parity").glob("*/cases.json"))


@cache
def spec_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "cases.json").read_text())


@cache
def expected_of(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "expected.safetensors")


@cache
def model_of(folder: Path, implementation: str) -> PreTrainedModel:
    head = getattr(transformers, spec_of(folder)["model_class"])
    model = head.from_pretrained(folder, attn_implementation=implementation).eval()
    for name, bias in load_file(folder / "model.safetensors").items():
        # transformers up to 5.17 does not find these biases of a VideoMAE checkpoint, and sets them to 0
        if name.endswith(("q_bias", "v_bias")):
            name = name.replace("q_bias", "query.bias").replace("v_bias", "value.bias")
            model.get_parameter(name).data.copy_(bias)
    return model


RUNS = [
    pytest.param(folder, index, implementation, id=f"{folder.name}-{index}-{implementation}")
    for folder in FOLDERS
    for index in range(len(spec_of(folder)["cases"]))
    for implementation in ("sdpa", "eager")
]


def test_every_family_has_a_reference() -> None:
    types = {json.loads((folder / "config.json").read_text())["model_type"] for folder in FOLDERS}
    assert types <= {family.model_type for family in FAMILIES}


def test_every_head_that_transformers_ships_is_in_the_table() -> None:
    for bare in BARE:
        module = __import__(bare.head.__module__, fromlist=["__all__"])
        heads = {name for name in module.__all__ if not name.endswith("PreTrainedModel")}
        assert heads == {case.head.__name__ for case in CASES if case.family is bare.family}


@pytest.mark.parametrize(("folder", "index", "implementation"), RUNS)
@torch.no_grad()
def test_outputs_are_those_of_the_reference(folder: Path, index: int, implementation: str) -> None:
    case, expected = spec_of(folder)["cases"][index], expected_of(folder)
    model = apply_tome(model_of(folder, implementation), r=case["r"], prop_attn=case["prop_attn"])
    with trace_tome(model) as trace:
        logits = model(expected["input"].float()).logits
    assert (logits.double() - expected[f"case{index}.logits"].double()).abs().max() <= 1e-5
    assert trace.token_counts == case["tokens_per_layer"]
    assert torch.equal(trace.groups, expected[f"case{index}.group"].long())
    assert torch.equal(trace.sizes.double(), expected[f"case{index}.size"].double())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@torch.no_grad()
def test_without_merging_the_reference_is_the_plain_model(folder: Path) -> None:
    """Says that the fixtures and the checkpoints belong together, whatever the engine does."""
    zero = [index for index, case in enumerate(spec_of(folder)["cases"]) if case["r"] == 0]
    if not zero:
        pytest.skip("no case with r=0")
    logits = remove_tome(model_of(folder, "sdpa"))(expected_of(folder)["input"].float()).logits
    for index in zero:
        assert (logits.double() - expected_of(folder)[f"case{index}.logits"].double()).abs().max() <= 1e-5
