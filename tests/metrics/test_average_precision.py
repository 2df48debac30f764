"""Mean average precision against scikit-learn and by hand."""

from __future__ import annotations

from pathlib import Path

import evaluate
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hf_tome import ToMeValueError
from hf_tome.metrics import average_precision as module
from hf_tome.metrics.average_precision import MeanAveragePrecision, average_precision


def made(seed: int, samples: int, classes: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    scores = chance.integers(0, 4, (samples, classes)) / 4 if ties else chance.normal(size=(samples, classes))
    return scores.astype(np.float32), (chance.random((samples, classes)) < 0.3).astype(np.int64)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_equals_scikit_learn(seed: int, ties: bool) -> None:
    scores, labels = made(seed, 40, 6, ties)
    labels[:, 2] = 0
    found = MeanAveragePrecision().compute(predictions=scores, references=labels) or {}
    kept = labels.any(0)
    assert found["mAP"] == pytest.approx(average_precision_score(labels[:, kept], scores[:, kept], average="macro"))
    assert found["micro_mAP"] == pytest.approx(average_precision_score(labels, scores, average="micro"))
    assert found["classes_without_positives"] == (~kept).sum() == 1


def test_by_hand() -> None:
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(np.array([0.5, 0.5]), np.array([1, 0])) == 0.5


def test_by_path_and_in_batches(tmp_path: Path) -> None:
    scores, labels = made(0, 30, 4, False)
    metric = evaluate.load(module.__file__, cache_dir=str(tmp_path))
    for start in range(0, 30, 7):
        metric.add_batch(predictions=scores[start : start + 7], references=labels[start : start + 7])
    assert metric.compute() == MeanAveragePrecision().compute(predictions=scores, references=labels)


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), "shapes"),
        (np.zeros(3), np.zeros(3), "shapes"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "shapes"),
        (np.zeros((3, 2)), np.full((3, 2), 0.5), "0 or 1"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "positive"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "NaN"),
    ],
)
def test_bad_input(scores: np.ndarray, labels: np.ndarray, words: str) -> None:
    with pytest.raises(ToMeValueError, match=words):
        MeanAveragePrecision().compute(predictions=scores, references=labels)
