"""Merging inside a `with` block and through a pipeline, and how a merged model is told from a plain one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import SMALL_VIT
from comparison import assert_same
from PIL import Image
from transformers import pipeline
from untouched import assert_untouched

from hf_tome import ToMeTypeError, apply_tome, is_merged, merged, remove_tome, trace_tome
from hf_tome.data.embedded import VIT


class Stop(Exception):
    pass


@torch.no_grad()
def test_merged_is_a_scope_whatever_happens() -> None:
    model = SMALL_VIT.build()
    expected = apply_tome(SMALL_VIT.build(), r=4, prop_attn=False)(**SMALL_VIT.inputs())
    with pytest.raises(Stop), merged(model, r=4, prop_attn=False) as inside:  # noqa: PT012
        assert inside is model
        assert_same(model(**SMALL_VIT.inputs()), expected)
        raise Stop
    assert_untouched(model, SMALL_VIT.build(), SMALL_VIT.inputs())


@torch.no_grad()
def test_a_model_that_merged_before_does_so_again_after_the_block() -> None:
    model = apply_tome(SMALL_VIT.build(), r=2)
    with merged(model, r=4), merged(model, r=[9]), trace_tome(model) as trace:
        model(**SMALL_VIT.inputs())
    assert trace.token_counts == [37, 28, 28, 28, 28]
    assert_same(model(**SMALL_VIT.inputs()), apply_tome(SMALL_VIT.build(), r=2)(**SMALL_VIT.inputs()))
    assert model.config.tome["r"] == 2


def test_a_scope_with_wrong_settings_changes_nothing() -> None:
    model = SMALL_VIT.build()
    with pytest.raises(ToMeTypeError), merged(model, r="8"):
        raise AssertionError("never entered")
    assert_untouched(model, SMALL_VIT.build(), SMALL_VIT.inputs())


def test_a_pipeline_is_patched_through_its_model() -> None:
    pipe: Any = pipeline("image-classification", model=VIT)
    picture = Image.new("RGB", (40, 30), "navy")
    plain = pipe(picture)
    assert apply_tome(pipe, r=16) is pipe
    assert is_merged(pipe)
    assert is_merged(pipe.model)
    with trace_tome(pipe) as trace:
        pipe(picture)
    assert trace.token_counts[-1] == 197 - 16 * 8
    assert not is_merged(remove_tome(pipe))
    assert pipe(picture) == plain


def test_a_patched_model_says_so() -> None:
    model = SMALL_VIT.build()
    assert not is_merged(model)
    assert "merges tokens" not in repr(model)
    apply_tome(model, r=(4, -1.0))
    assert repr(model).count("merges tokens: r=(4, -1.0)") == 1  # four layers alike print as one
    assert repr(remove_tome(model)) == repr(SMALL_VIT.build())


@pytest.mark.parametrize("call", [apply_tome, remove_tome, is_merged], ids=lambda call: call.__name__)
def test_what_holds_no_model_is_refused(call: Any) -> None:
    with pytest.raises(ToMeTypeError, match="torch module, or a pipeline"):
        call("google/vit-base-patch16-224")
