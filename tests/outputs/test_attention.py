"""Attention of a patched model: its maps, proportional attention, other implementations, exported programs."""

from __future__ import annotations

import pytest
import torch
from cases import CLASSIFIERS, LAYERS, SMALL_VIT, Case, each_case
from comparison import assert_same, shapes
from layouts import each_layout

from hf_tome import UnsupportedAttentionError, apply_tome, trace_tome


@each_layout
@torch.no_grad()
def test_attention_maps_of_eager_attention(case: Case) -> None:
    model = apply_tome(case.build(implementation="eager"), r=5)
    with trace_tome(model) as trace:
        output = model(**case.inputs(), output_attentions=True)
    heads = model.config.num_attention_heads
    assert shapes(output.attentions) == [(2, heads, n, n) for n in trace.token_counts[:-1]]
    for attention in output.attentions:
        assert (attention.sum(-1) - 1).abs().max() < 1e-5
    as_tuple = model(**case.inputs(), output_attentions=True, return_dict=False)
    assert shapes(output.attentions) in shapes(as_tuple)


@each_case
@torch.no_grad()
def test_attention_maps_and_hidden_states_together(case: Case) -> None:
    asked = {"output_attentions": True, "output_hidden_states": True, "return_dict": False}
    plain = case.build(implementation="eager")
    model = apply_tome(case.build(implementation="eager"), r=0)
    assert_same(model(**case.inputs(), **asked), plain(**case.inputs(), **asked))
    merged = apply_tome(model, r=5)(**case.inputs(), **asked)
    hidden = [part for part in merged if isinstance(part, tuple) and len(part) == LAYERS + 1]
    assert shapes(hidden) == [[(2, case.tokens, 32)] * (LAYERS + 1)]


@torch.no_grad()
def test_proportional_attention_counts_a_merged_token_by_its_size() -> None:
    """exp(score + log size) / sum: where two maps come from the same features, their ratio is the size."""
    case = SMALL_VIT
    model = apply_tome(case.build(implementation="eager"), r=[8])
    with trace_tome(model) as trace:
        on = model(**case.inputs(), output_attentions=True).attentions[1]
    off = apply_tome(model, prop_attn=False)(**case.inputs(), output_attentions=True).attentions[1]
    expected = off * trace.sizes[:, None, None]
    expected = expected / expected.sum(-1, keepdim=True)
    torch.testing.assert_close(on, expected, rtol=0, atol=1e-6)


@each_layout
@torch.no_grad()
def test_change_of_the_attention_implementation_is_followed_live(case: Case) -> None:
    model, inputs = apply_tome(case.build(), r=5), case.inputs()
    first = model(**inputs)
    model.set_attn_implementation("eager")
    eager = case.build()
    eager.set_attn_implementation("eager")
    asked = {"output_attentions": True}
    assert_same(model(**inputs, **asked), apply_tome(eager, r=5)(**inputs, **asked))
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")
    assert_same(model(**inputs), first)


@torch.no_grad()
def test_unknown_attention_is_refused_live() -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    before = model(**inputs)
    model.config._attn_implementation_internal = "no_such_kernel"
    with pytest.raises(UnsupportedAttentionError, match="no_such_kernel"):
        model(**inputs)
    model.set_attn_implementation("sdpa")
    assert_same(model(**inputs), before)


@pytest.mark.parametrize(
    "case",
    [SMALL_VIT, *(pytest.param(case, marks=pytest.mark.slow) for case in CLASSIFIERS if case is not SMALL_VIT)],
    ids=lambda case: case.name,
)
@torch.no_grad()
def test_an_exported_program_merges_too(case: Case) -> None:
    """Transformers adds a mask of its own to a graph that is exported; merged layers have no use for it."""
    model, inputs = apply_tome(case.build(), r=4), case.inputs()
    program = torch.export.export(model, (), inputs)
    torch.testing.assert_close(program.module()(**inputs).logits, model(**inputs).logits, rtol=0, atol=1e-6)
