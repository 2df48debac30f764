"""Accuracy against scikit-learn, in every way that `evaluate` offers, and on bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from hf_tome import ToMeValueError
from hf_tome.metrics import accuracy
from hf_tome.metrics.accuracy import Accuracy

SCORES = np.random.default_rng(0).normal(size=(200, 12)).astype(np.float32)
LABELS = np.random.default_rng(1).integers(0, 12, 200)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluate.config.HF_METRICS_CACHE", str(tmp_path))


def test_it_is_that_of_scikit_learn() -> None:
    found = Accuracy().compute(predictions=SCORES, references=LABELS)
    assert found == {
        "accuracy": accuracy_score(LABELS, SCORES.argmax(1)),
        "top5_accuracy": top_k_accuracy_score(LABELS, SCORES, k=5, labels=range(12)),
    }
    assert Accuracy().compute(predictions=SCORES.argmax(1), references=LABELS) == {"accuracy": found["accuracy"]}
    assert set(Accuracy().compute(predictions=SCORES[:, :4], references=LABELS % 4) or {}) == {"accuracy"}


@given(st.integers(1, 8), st.integers(1, 20), st.integers(0, 1000))
def test_equal_scores_count_as_argmax_counts_them(classes: int, samples: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    scores, labels = random.integers(0, 3, (samples, classes)), random.integers(0, classes, samples)
    assert ((accuracy._ranks(scores, labels) < 1) == (scores.argmax(1) == labels)).all()


def test_every_way_to_use_it() -> None:
    whole = Accuracy().compute(predictions=SCORES, references=LABELS)
    by_path = evaluate.load(str(accuracy.__file__))
    assert by_path.compute(predictions=SCORES, references=LABELS) == whole
    combined = evaluate.combine([Accuracy()])
    assert combined.compute(predictions=SCORES, references=LABELS) == whole
    in_parts = Accuracy()
    for start in range(0, 200, 50):
        in_parts.add_batch(predictions=SCORES[start : start + 50], references=LABELS[start : start + 50])
    assert in_parts.compute() == whole


def changed(index: tuple[int, int], value: float) -> np.ndarray:
    scores = SCORES.copy()
    scores[index] = value
    return scores


@pytest.mark.parametrize(
    ("predictions", "references", "said"),
    [
        (SCORES, LABELS[:-1], "199"),
        (SCORES[:0], LABELS[:0], r"\(0, 12\)"),
        (SCORES[None], LABELS[:1], r"\(1, 200, 12\)"),
        (SCORES, SCORES, r"\(200, 12\)"),
        (changed((3, 1), np.nan), LABELS, "NaN in sample 3"),
        (SCORES, LABELS + 1, "reference 12 with 12 classes"),
        (SCORES, LABELS - 1, "reference -1"),
        (LABELS, LABELS - 1, "reference -1"),
        (LABELS, LABELS + 0.5, r"reference \d+\.5"),
        (LABELS + 0.7, LABELS, r"prediction \d+\.7"),
        ([[1.0, 2.0], [1.0]], [0, 0], "inhomogeneous"),
        (["cat"], ["cat"], "<U3"),
        (SCORES, None, "object"),
    ],
)
@pytest.mark.parametrize("door", ["compute", "add_batch"])
def test_bad_input_is_refused(predictions: Any, references: Any, said: str, door: str) -> None:
    with pytest.raises(ToMeValueError, match=said):
        getattr(Accuracy(), door)(predictions=predictions, references=references)


def test_nothing_is_refused() -> None:
    with pytest.raises(ToMeValueError, match="neither"):
        Accuracy().compute()


def test_numbers_of_any_kind() -> None:
    """float64 is not rounded; tensors need not be detached."""
    close = np.array([[0.5, 0.5 + 1e-12]])
    added = Accuracy()
    added.add(prediction=close[0], reference=1)
    assert added.compute() == Accuracy().compute(predictions=close, references=[1]) == {"accuracy": 1.0}
    scores = torch.tensor(SCORES, requires_grad=True).bfloat16()
    found = Accuracy().compute(predictions=scores, references=torch.tensor(LABELS)) or {}
    assert found["accuracy"] == accuracy_score(LABELS, scores.detach().float().numpy().argmax(1))


def test_infinite_scores_are_scores() -> None:
    found = Accuracy().compute(predictions=changed((0, int(LABELS[0])), np.inf), references=LABELS)
    assert found is not None
    assert found["accuracy"] > 0
