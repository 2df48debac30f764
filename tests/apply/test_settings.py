"""The settings: what r = 0 gives, what a second apply changes, what a saved model keeps, and restore=False."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import LAYERS, SMALL_VIDEO, SMALL_VIT, Case, each_bare, each_case
from comparison import apart, assert_same
from layouts import each_layout
from untouched import assert_untouched, photograph

from hf_tome import ToMeConfig, ToMeValueError, apply_tome, remove_tome


@pytest.mark.parametrize(("implementation", "prop_attn"), [("sdpa", None), ("sdpa", True), ("eager", False)])
@each_case
@torch.no_grad()
def test_r_zero_is_exactly_the_original(case: Case, implementation: str, prop_attn: bool | None) -> None:
    plain = case.build(implementation=implementation)
    model = apply_tome(case.build(implementation=implementation), r=0, prop_attn=prop_attn)
    assert_same(model(**case.inputs()), plain(**case.inputs()))


@each_case
@torch.no_grad()
def test_merging_changes_the_output(case: Case) -> None:
    """Says that the other tests do not compare two plain models."""
    plain, model = case.build(), apply_tome(case.build(), r=5)
    assert apart(model(**case.inputs()), plain(**case.inputs())) > 1e-3


@each_layout
@torch.no_grad()
def test_apply_twice_reconfigures(case: Case) -> None:
    model = apply_tome(apply_tome(case.build(), r=2, prop_attn=False), r=5)
    once = apply_tome(case.build(), r=5)
    assert photograph(model) == photograph(once)
    assert_same(model(**case.inputs()), once(**case.inputs()))


@each_layout
def test_state_dict_keys_and_values_stay(case: Case) -> None:
    plain, model = case.build().state_dict(), apply_tome(case.build(), r=3).state_dict()
    assert list(plain) == list(model)
    assert all(torch.equal(plain[key], model[key]) for key in plain)


@pytest.mark.parametrize("r", [3, 0.25, (4, -1.0), (4, 0.5), [3, 0, 2]], ids=str)
@torch.no_grad()
def test_settings_are_plain_json_and_load_again(r: Any, tmp_path: Path) -> None:
    case = SMALL_VIT
    model = apply_tome(case.build(), r=r, prop_attn=False)
    assert json.loads(json.dumps(model.config.tome)) == model.config.tome
    model.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["tome"] == model.config.tome
    loaded = case.head.from_pretrained(tmp_path).eval()
    assert_same(loaded(**case.inputs()), case.build()(**case.inputs()))  # nothing merges before apply_tome
    apply_tome(loaded)
    assert loaded.config.tome == model.config.tome
    assert_same(loaded(**case.inputs()), model(**case.inputs()))


@each_layout
@torch.no_grad()
def test_save_load_and_remove(case: Case, tmp_path: Path) -> None:
    model = apply_tome(case.build(), r=3)
    model.save_pretrained(tmp_path)
    loaded = case.head.from_pretrained(tmp_path).eval()
    before = photograph(loaded)
    assert_same(apply_tome(loaded)(**case.inputs()), model(**case.inputs()))
    assert photograph(remove_tome(loaded)) == before  # the settings that came with the file stay in the config


def test_saved_settings_can_be_changed_by_keyword() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    assert apply_tome(model, prop_attn=False).config.tome == {"r": 3, "prop_attn": False, "restore": True}


def test_config_object_is_the_same_as_keywords() -> None:
    config = ToMeConfig(r=(4, -1.0), prop_attn=False)
    assert apply_tome(SMALL_VIT.build(), config=config).config.tome == config.to_dict()
    assert ToMeConfig.from_dict(config.to_dict()).schedule == config.schedule


@each_bare
@torch.no_grad()
def test_default_of_proportional_attention_is_that_of_the_family(case: Case) -> None:
    model = apply_tome(case.build(), r=5)
    default = model(**case.inputs())
    assert_same(apply_tome(model, r=5, prop_attn=case.family.prop_attn)(**case.inputs()), default)
    assert apart(apply_tome(model, r=5, prop_attn=not case.family.prop_attn)(**case.inputs()), default) > 1e-5


@each_case
@torch.no_grad()
def test_restore_false_works_where_the_head_reads_protected_tokens_only(case: Case) -> None:
    model, plain = case.build(), case.build()
    if case.needs_restore:
        with pytest.raises(ToMeValueError, match=case.head.__name__):
            apply_tome(model, r=3, restore=False)
        assert_untouched(model, plain, case.inputs())
        return
    short, full = apply_tome(model, r=3, restore=False), apply_tome(case.build(), r=3)
    ours, theirs = short(**case.inputs()), full(**case.inputs())
    if "logits" in ours:
        torch.testing.assert_close(ours.logits, theirs.logits, rtol=0, atol=1e-6)
    else:
        assert ours.last_hidden_state.shape[1] == case.tokens - 3 * LAYERS
        assert theirs.last_hidden_state.shape[1] == case.tokens


def test_restore_false_is_refused_when_reconfigured_too() -> None:
    model = apply_tome(SMALL_VIDEO.build(), r=3)
    with pytest.raises(ToMeValueError):
        apply_tome(model, restore=False)
    assert model.config.tome["restore"] is True
