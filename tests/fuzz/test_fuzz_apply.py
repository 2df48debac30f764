"""Whatever apply_tome is given, only ToMeErrors come out, and a failed call leaves the model untouched."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nasty import NASTY, any_r, anything, json_like, names, quick
from one_model import assert_unchanged, check_apply, check_patched, logits, model, photograph, plain_logits, refused

from hf_tome import ToMeConfig, ToMeTypeError, apply_tome, remove_tome

PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "r": lambda value: {"r": value},
    "first of a pair": lambda value: {"r": (value, 0.5)},
    "inflection": lambda value: {"r": (4, value)},
    "entry of a list": lambda value: {"r": [4, value]},
    "prop_attn": lambda value: {"r": 4, "prop_attn": value},
    "restore": lambda value: {"r": 4, "restore": value},
    "config": lambda value: {"config": value},
    "unknown setting": lambda value: {"r": 4, "self": value},
}


@pytest.mark.parametrize("place", PLACES)
def test_every_nasty_object_in_every_place(place: str) -> None:
    for make in NASTY:
        check_apply(**PLACES[place](make()))


def test_every_nasty_object_as_saved_settings() -> None:
    for make in NASTY:
        model().config.tome = saved = make()
        try:
            check_apply()
            check_apply(3)
            assert model().config.tome is saved
        finally:
            del model().config.tome


@pytest.mark.parametrize("name", ["self", "cls", "values", "changes", "tome", "", "no name", "\ud800"])
def test_an_unknown_setting_is_named(name: str) -> None:
    """Beside r, and on top of saved settings, which takes another way."""
    settings = {name: 1}
    with pytest.raises(ToMeTypeError, match=re.escape(repr(name))):
        apply_tome(model(), 4, **settings)
    model().config.tome = {"r": 4}
    try:
        with pytest.raises(ToMeTypeError, match=re.escape(repr(name))):
            apply_tome(model(), **settings)
    finally:
        del model().config.tome


def test_a_text_is_shown_in_quotes() -> None:
    """r="16" must not read as the int that it looks like."""
    for call in (lambda: apply_tome(model(), "16"), lambda: ToMeConfig(4, "16")):
        with pytest.raises(ToMeTypeError, match="Got: '16'\\."):
            call()


@quick
@given(any_r)
def test_any_r(r: Any) -> None:
    check_apply(r)


@quick
@given(any_r, st.dictionaries(names.filter(lambda name: name != "r"), anything, max_size=2))
def test_any_settings(r: Any, kwargs: dict[str, Any]) -> None:
    check_apply(r, **kwargs)


@quick
@given(anything, st.none() | any_r, st.dictionaries(names.filter(lambda name: name != "r"), anything, max_size=1))
def test_any_config(config: Any, r: Any, kwargs: dict[str, Any]) -> None:
    check_apply(r, config=config, **kwargs)


@quick
@given(any_r, st.dictionaries(names.filter(lambda name: name != "r"), anything, max_size=2))
def test_a_failed_call_leaves_a_patched_model_patched_as_it_was(r: Any, kwargs: dict[str, Any]) -> None:
    apply_tome(model(), 3)
    try:
        before, merged, saved = photograph(model()), logits(model()), dict(model().config.tome)
        if refused(lambda: apply_tome(model(), r, **kwargs)):
            assert_unchanged(before, photograph(model()))
            assert model().config.tome == saved
            assert torch.equal(logits(model()), merged)
        else:
            check_patched()
    finally:
        remove_tome(model())
    assert torch.equal(logits(model()), plain_logits())


@quick
@given(anything | json_like, st.dictionaries(names, anything, max_size=1))
def test_any_saved_settings(saved: Any, kwargs: dict[str, Any]) -> None:
    """`config.tome` comes from a file that anyone may have written. It is put back as it was, whatever it was."""
    model().config.tome = saved
    try:
        check_apply(**kwargs)
        assert model().config.tome is saved
        check_apply(3)
        assert model().config.tome is saved
    finally:
        del model().config.tome
