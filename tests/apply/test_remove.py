"""remove_tome: whatever was done to a patched model, the model is as it was before."""

from __future__ import annotations

import copy

import pytest
import torch
from cases import SMALL_VIT, Case, each_case, tower_of
from comparison import assert_same, tensors_of
from gradients import checkpoint, checkpoint_no_more
from layouts import each_layout
from transformers import PreTrainedModel
from untouched import assert_untouched

from hf_tome import apply_tome, remove_tome, trace_tome


def use_forward(model: PreTrainedModel, case: Case) -> None:
    model(**case.inputs())


def use_backward(model: PreTrainedModel, case: Case) -> None:
    model.train()
    sum(tensor.sum() for tensor in tensors_of(model(**case.inputs(), **case.labels()))).backward()  # pyright: ignore
    model.zero_grad()
    model.eval()


def use_trace(model: PreTrainedModel, case: Case) -> None:
    if getattr(model.config, "tome", None):
        with trace_tome(model):
            model(**case.inputs())


def use_hidden_states(model: PreTrainedModel, case: Case) -> None:
    model(**case.inputs(), output_hidden_states=True)


def use_reconfiguration(model: PreTrainedModel, case: Case) -> None:
    if getattr(model.config, "tome", None):
        for settings in ({"r": 0}, {"r": (2, -1.0)}, {"r": [1, 2]}, {"r": 0.2}, {"r": 2, "prop_attn": False}):
            apply_tome(model, **settings)
            model(**case.inputs())


def use_checkpointing(model: PreTrainedModel, case: Case) -> None:
    checkpoint(model)
    use_backward(model, case)
    checkpoint_no_more(model)


def use_attention_switch(model: PreTrainedModel, case: Case) -> None:
    model.set_attn_implementation("eager")
    model(**case.inputs(), output_attentions=True)
    model.set_attn_implementation("sdpa")


def use_attention_for_good(model: PreTrainedModel, case: Case) -> None:
    model.set_attn_implementation("eager")
    model(**case.inputs())


def use_failure(model: PreTrainedModel, case: Case) -> None:
    name, shape = case.family.pixels
    with pytest.raises((ValueError, RuntimeError, IndexError)):
        model(**{**case.inputs(), name: torch.zeros(1, *shape)[..., :3]})


def use_half(model: PreTrainedModel, case: Case) -> None:
    model.half().float()


USES = (
    use_forward,
    use_backward,
    use_trace,
    use_hidden_states,
    use_reconfiguration,
    use_checkpointing,
    use_attention_switch,
    use_failure,
    use_half,
    use_attention_for_good,
)


@each_case
def test_remove_takes_everything_back(case: Case) -> None:
    """After each use; what a use leaves on a plain model too, as the attention that it sets, stays for the next."""
    model, plain = case.build(), case.build()
    for use in USES:
        use(apply_tome(model, r=3), case)
        use(plain, case)
        assert remove_tome(model) is model
        assert_untouched(model, plain, case.inputs())


@each_layout
def test_remove_of_a_copy_leaves_the_original_patched(case: Case) -> None:
    model, plain = apply_tome(case.build(), r=3), case.build()
    with torch.no_grad():
        merged = model(**case.inputs())
        twin = copy.deepcopy(model)
        assert_same(twin(**case.inputs()), merged)
        assert_untouched(remove_tome(twin), plain, case.inputs())
        assert_same(model(**case.inputs()), merged)
    assert_untouched(remove_tome(model), plain, case.inputs())


@each_layout
def test_apply_and_remove_many_times(case: Case) -> None:
    model, plain = case.build(), case.build()
    for r in (1, 2, 3):
        with torch.no_grad():
            assert_same(apply_tome(model, r=r)(**case.inputs()), apply_tome(case.build(), r=r)(**case.inputs()))
        remove_tome(model)
    assert_untouched(remove_tome(model), plain, case.inputs())


@each_layout
def test_remove_of_an_unpatched_model_does_nothing(case: Case) -> None:
    assert_untouched(remove_tome(case.build()), case.build(), case.inputs())


def test_remove_through_the_head_after_apply_on_its_tower() -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    apply_tome(tower_of(model, SMALL_VIT), r=3)
    assert_untouched(remove_tome(model), plain, SMALL_VIT.inputs())


def test_remove_through_the_tower_after_apply_on_its_head() -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    remove_tome(tower_of(apply_tome(model, r=3), SMALL_VIT))
    assert_untouched(model, plain, SMALL_VIT.inputs())


@pytest.mark.parametrize("tower_first", [True, False])
def test_remove_after_apply_on_both_head_and_tower(tower_first: bool) -> None:
    model, plain = SMALL_VIT.build(), SMALL_VIT.build()
    parts = [tower_of(model, SMALL_VIT), model]
    for part in parts if tower_first else parts[::-1]:
        apply_tome(part, r=3)
    assert_untouched(remove_tome(model), plain, SMALL_VIT.inputs())
