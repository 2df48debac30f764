"""Whatever stands in the model's place, only ToMeErrors come out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from nasty import any_r, anything, plain, quick
from one_model import assert_unchanged, photograph, refused
from torch import nn

from hf_tome import UnsupportedModelError, apply_tome, remove_tome, trace_tome


@quick
@given(anything | plain)
def test_what_is_no_model(thing: Any) -> None:
    assert refused(lambda: apply_tome(thing, 4))
    if isinstance(thing, nn.Module):
        assert remove_tome(thing) is thing
    else:
        assert refused(lambda: remove_tome(thing))
    assert refused(lambda: trace_tome(thing).__enter__())


@quick
@given(anything, any_r)
def test_modules_that_hold_no_tower(config: Any, r: Any) -> None:
    """Some other library's module may have a `config` too, of any kind."""
    module = nn.Sequential(nn.Linear(2, 2))
    module.config = config
    before = photograph(module)
    with pytest.raises(UnsupportedModelError):
        apply_tome(module, 4)
    assert refused(lambda: apply_tome(module, r))
    assert refused(lambda: apply_tome(module))
    assert refused(lambda: trace_tome(module).__enter__())
    assert remove_tome(module) is module
    assert_unchanged(before, photograph(module))
