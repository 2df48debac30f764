"""What comes out of a patched model: restored shapes and their meaning."""

from __future__ import annotations

import pytest
import torch
from cases import LAYERS, SMALL_VIDEO, SMALL_VIT, Case, each_bare, each_case, tower_of
from comparison import assert_same, shapes
from layouts import each_layout
from torch import Tensor
from transformers.utils import output_capturing

from hf_tome import apply_tome, trace_tome


def spread(short: Tensor, groups: Tensor) -> Tensor:
    """Each original token's row of the merged features."""
    return torch.stack([features[index] for features, index in zip(short, groups, strict=True)])


@each_case
@torch.no_grad()
def test_every_output_keeps_its_shape_in_dict_and_tuple(case: Case) -> None:
    inputs, plain, model = case.inputs(), case.build(), apply_tome(case.build(), r=5)
    as_dict, of_plain = (each(**inputs, output_hidden_states=True) for each in (model, plain))
    assert type(as_dict) is type(of_plain)
    assert list(as_dict) == list(of_plain)
    assert shapes(as_dict.to_tuple()) == shapes(of_plain.to_tuple())
    as_tuple, of_plain = (each(**inputs, output_hidden_states=True, return_dict=False) for each in (model, plain))
    assert type(as_tuple) is type(of_plain)
    assert shapes(as_tuple) == shapes(of_plain)
    assert_same(as_tuple, as_dict)


@each_bare
@torch.no_grad()
def test_restored_features_are_the_merged_ones_at_every_position(case: Case) -> None:
    full, short = apply_tome(case.build(), r=[5, 0, 3, 4]), apply_tome(case.build(), r=[5, 0, 3, 4], restore=False)
    with trace_tome(short) as trace:
        few = short(**case.inputs(), output_hidden_states=True)
    many = full(**case.inputs(), output_hidden_states=True)
    assert len(few.hidden_states) == len(many.hidden_states) == LAYERS + 1
    for layers in range(LAYERS + 1):
        groups = trace.last.groups_at(layers)
        assert few.hidden_states[layers].shape[1] == trace.token_counts[layers]
        assert torch.equal(many.hidden_states[layers], spread(few.hidden_states[layers], groups))
    assert torch.equal(many.last_hidden_state, spread(few.last_hidden_state, trace.groups))


@pytest.mark.skipif(
    not hasattr(output_capturing, "selected_hidden_states"), reason="this transformers takes no list of hidden states"
)
@pytest.mark.parametrize("wanted", [[0], [2, -1], 3, [-2]], ids=str)
@each_layout
@torch.no_grad()
def test_selected_hidden_states(case: Case, wanted: int | list[int]) -> None:
    model, plain = apply_tome(case.build(), r=5), case.build()
    everything = model(**case.inputs(), output_hidden_states=True).hidden_states
    asked = {"output_hidden_states": wanted}
    some, theirs = (each(**case.inputs(), **asked).hidden_states for each in (model, plain))
    assert shapes(some) == shapes(theirs)
    chosen = {i % (LAYERS + 1) for i in ([wanted] if isinstance(wanted, int) else wanted)}
    for layer, hidden in enumerate(some):
        assert (hidden is not None) == (layer in chosen)
        assert hidden is None or torch.equal(hidden, everything[layer])
    as_tuple = model(**case.inputs(), **asked, return_dict=False)
    assert shapes(some) in shapes(as_tuple)


@each_layout
@torch.no_grad()
def test_hidden_states_asked_for_in_the_config(case: Case) -> None:
    case_asked = apply_tome(case.build(output_hidden_states=True), r=5)
    given = apply_tome(case.build(), r=5)(**case.inputs(), output_hidden_states=True)
    assert_same(case_asked(**case.inputs()), given)


@torch.no_grad()
def test_mean_pooling_of_restored_tokens_is_the_size_weighted_mean() -> None:
    model, case = apply_tome(SMALL_VIDEO.build(), r=5), SMALL_VIDEO
    tower = apply_tome(tower_of(case.build(), case), r=5, restore=False)
    with trace_tome(tower) as trace:
        short = tower(**case.inputs()).last_hidden_state
    weights = trace.sizes / trace.sizes.sum(1, keepdim=True)
    pooled = (short * weights[..., None]).sum(1)
    expected = model.classifier(model.fc_norm(pooled))
    torch.testing.assert_close(model(**case.inputs()).logits, expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_interpolated_positions_and_their_grid() -> None:
    model, pixels = apply_tome(SMALL_VIT.build(), r=4), torch.randn(2, 3, 32, 40)
    with trace_tome(model) as trace:
        logits = model(pixels, interpolate_pos_encoding=True).logits
    assert logits.isfinite().all()
    assert trace.grid == (8, 10)
    assert trace.token_counts == [81, 77, 73, 69, 65]
