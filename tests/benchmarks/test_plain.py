"""The baseline of the speed benchmark computes what hf_tome does."""

from __future__ import annotations

import copy
import importlib
import sys
from pathlib import Path

import pytest
import torch
from cases import CLASSIFIERS, Case
from comparison import apart

from hf_tome import apply_tome

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("case", CLASSIFIERS, ids=lambda case: case.name)
@torch.no_grad()
def test_outputs_are_the_same(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    model, inputs = case.build(), case.inputs()
    plain = importlib.import_module("plain").plain_tome(copy.deepcopy(model), 5)
    assert apart(plain(**inputs).logits, apply_tome(model, r=5)(**inputs).logits) <= 1e-5
