"""What the speed benchmark runs beside hf_tome does what it is said to do."""

from __future__ import annotations

import copy

import torch
from cases import Case, each_classifier
from comparison import apart

from benchmarks.cut import cut
from benchmarks.plain import plain_tome
from hf_tome import apply_tome, trace_tome


@each_classifier
@torch.no_grad()
def test_the_baseline_computes_what_hf_tome_does(case: Case) -> None:
    model, inputs = case.build(), case.inputs()
    plain = plain_tome(copy.deepcopy(model), 5)
    assert apart(plain(**inputs).logits, apply_tome(model, r=5)(**inputs).logits) <= 1e-5


@each_classifier
@torch.no_grad()
def test_the_cut_has_the_token_counts_and_nothing_else(case: Case) -> None:
    model, inputs, counts = case.build(), case.inputs(), []
    whole = cut(copy.deepcopy(model), 0)
    assert apart(whole(**inputs).logits, model(**inputs).logits) <= 1e-5
    short = cut(copy.deepcopy(model), 5)
    for layer in short.base_model.get_submodule(case.family.layers).children():
        layer.register_forward_hook(lambda module, args, output: counts.append(output.shape[1]))
    short(**inputs)
    with trace_tome(apply_tome(model, r=5)) as trace:
        model(**inputs)
    assert counts == trace.token_counts[1:]
