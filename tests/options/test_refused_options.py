"""Options that are refused: rule, what was got, cure; and the model left as it was."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import LAYERS, SMALL_VIT
from transformers import PreTrainedModel
from untouched import assert_untouched

from hf_tome import ToMeError, ToMeTypeError, ToMeValueError, UnsupportedAttentionError, apply_tome, register_matching
from hf_tome.core import MergePlan

WRONG: list[tuple[dict[str, Any], type[ToMeError], str]] = [
    *(({name: "no_such"}, ToMeValueError, f"{name} is one of") for name in
      ("metric", "heads", "distance", "partition", "matching", "combine")),
    *(({name: None}, ToMeTypeError, f"{name} is one of") for name in ("metric", "distance", "partition", "matching")),
    ({"metric": ["k"]}, ToMeTypeError, "metric is one of"),
    ({"matching": "no_such"}, ToMeValueError, "register_matching"),
    ({"combine": []}, ToMeValueError, "one per layer"),
    ({"combine": ["keep", 3]}, ToMeTypeError, "combine is one of"),
    ({"combine": ["keep"] * (LAYERS - 1)}, ToMeValueError, f"{LAYERS} layers"),
    ({"seed": 1}, ToMeValueError, "random"),
    ({"seed": -1, "partition": "random"}, ToMeValueError, "2\\*\\*32"),
    ({"seed": True, "partition": "random"}, ToMeTypeError, "2\\*\\*32"),
    ({"metric": "x", "heads": "concat"}, ToMeValueError, "have none"),
    ({"matching": "kmeans", "distance": "dot"}, ToMeValueError, "cosine, euclidean"),
    ({"matching": "greedy", "distance": "softmax"}, ToMeValueError, "cosine, euclidean, dot"),
    ({"matching": "pitome", "distance": "euclidean"}, ToMeValueError, "cosine"),
    *(({"matching": matching, "partition": "random"}, ToMeValueError, "no partition") for matching in
      ("kth", "greedy", "kmeans", "pitome", "pitome_late", "random_prune", "evit")),
    ({"matching": "attention_prune"}, UnsupportedAttentionError, 'set_attn_implementation\\("eager"\\)'),
    ({"matching": "pagerank_prune"}, UnsupportedAttentionError, 'set_attn_implementation\\("eager"\\)'),
    ({"matching": "evit"}, UnsupportedAttentionError, 'set_attn_implementation\\("eager"\\)'),
]  # fmt: skip


@pytest.fixture(scope="module")
def twins() -> tuple[PreTrainedModel, PreTrainedModel]:
    """A model that all refused calls are made on, and one like it."""
    return SMALL_VIT.build(), SMALL_VIT.build()


@pytest.mark.parametrize(("options", "error", "words"), WRONG, ids=str)
def test_what_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[ToMeError], words: str, twins: tuple[PreTrainedModel, PreTrainedModel]
) -> None:
    model, twin = twins
    with pytest.raises(error, match=words) as caught:
        apply_tome(model, 3, **options)
    assert " Got: " in str(caught.value)
    assert_untouched(model, twin, SMALL_VIT.inputs())


@torch.no_grad()
def test_attention_without_weights_is_refused_live() -> None:
    model = apply_tome(SMALL_VIT.build(implementation="eager"), 3, matching="attention_prune")
    model(**SMALL_VIT.inputs())
    model.set_attn_implementation("sdpa")
    with pytest.raises(UnsupportedAttentionError, match="sdpa"):
        model(**SMALL_VIT.inputs())


@pytest.mark.parametrize(
    ("name", "plan", "error"),
    [("bipartite", lambda given: None, ToMeValueError), ("two words", lambda given: None, ToMeValueError),
     (3, lambda given: None, ToMeTypeError), ("mine", "no function", ToMeTypeError)],
)  # fmt: skip
def test_what_is_no_matching_is_not_registered(name: Any, plan: Any, error: type[ToMeError]) -> None:
    with pytest.raises(error):
        register_matching(name, plan)


@pytest.mark.parametrize(
    ("returned", "error"),
    [
        (lambda given: [0], ToMeTypeError),
        (lambda given: MergePlan(*(given.rows(given.places[:3]),) * 3), ToMeValueError),
    ],
)
@torch.no_grad()
def test_a_wrong_plan_is_refused(returned: Any, error: type[ToMeError]) -> None:
    register_matching("wrong", returned)
    with pytest.raises(error, match="leader or a joiner"):
        apply_tome(SMALL_VIT.build(), 3, matching="wrong")(**SMALL_VIT.inputs())


def test_a_saved_matching_must_be_registered() -> None:
    model = SMALL_VIT.build()
    model.config.tome = {"r": 3, "matching": "of_someone_else"}
    with pytest.raises(ToMeValueError, match="register_matching"):
        apply_tome(model)
