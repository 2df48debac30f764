"""An attention that computes by itself: its hooks go along with copies, and come off."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from comparison import apart, assert_same
from untouched import assert_untouched
from zoo import ZOO

from hf_tome import apply_tome, remove_tome

OWN = [row for row in ZOO if row.model_type in ("blip", "flava_image_model")]
each_row = pytest.mark.parametrize("row", OWN, ids=lambda row: row.model_type)


@each_row
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@torch.no_grad()
def test_copies(row: Any, copied: Any) -> None:
    model = apply_tome(row.build(), r=3)
    merged, other = model(**row.inputs()), copied(model)
    assert_same(other(**row.inputs()), merged)
    assert_untouched(remove_tome(other), row.build(), row.inputs())
    assert_same(model(**row.inputs()), merged)


@each_row
@torch.no_grad()
def test_what_tokens_are_compared_by(row: Any) -> None:
    tower = next(module for module in row.build().modules() if type(module).__name__ == row.shape.tower)
    found = {}
    for metric in ("k", "q", "v", "x"):
        found[metric] = apply_tome(tower, r=3, metric=metric)(row.inputs()["pixel_values"]).last_hidden_state
    for metric in ("q", "v", "x"):
        assert apart(found["k"], found[metric]) > 1e-3
