"""Mean average precision against scikit-learn and by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from hf_tome import ToMeValueError
from hf_tome.metrics import average_precision as module
from hf_tome.metrics.average_precision import MeanAveragePrecision
from hf_tome.metrics.ranking import Ranking


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


def test_close_scores_are_not_rounded() -> None:
    scores, labels = np.array([[0.5], [0.5 + 1e-12], [0.1]]), np.array([[0], [1], [0]])
    found = MeanAveragePrecision().compute(predictions=scores, references=labels) or {}
    assert found["mAP"] == average_precision_score(labels, scores) == 1


def test_by_hand() -> None:
    once = np.ones(4)
    found = Ranking(np.array([0.9, 0.8, 0.7, 0.6]), np.array([1, 0, 1, 0])).precision(once)
    assert found == pytest.approx((1 + 2 / 3) / 2)
    assert Ranking(np.array([0.5, 0.5]), np.array([1, 0])).precision(once[:2]) == 0.5


def test_by_path_and_in_batches(tmp_path: Path) -> None:
    scores, labels = made(0, 30, 4, False)
    metric = evaluate.load(module.__file__, cache_dir=str(tmp_path))
    for start in range(0, 30, 7):
        metric.add_batch(predictions=scores[start : start + 7], references=labels[start : start + 7])
    assert metric.compute() == MeanAveragePrecision().compute(predictions=scores, references=labels)


def at_once(metric: MeanAveragePrecision, scores: np.ndarray, labels: np.ndarray) -> Any:
    return metric.compute(predictions=scores, references=labels)


def added(metric: MeanAveragePrecision, scores: np.ndarray, labels: np.ndarray) -> Any:
    metric.add_batch(predictions=scores, references=labels)
    return metric.compute()


@pytest.mark.parametrize(
    ("scores", "labels", "words"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), "shapes"),
        (np.zeros(3), np.zeros(3), "shapes"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "shapes"),
        (np.zeros((3, 2)), np.full((3, 2), 0.5), "label 0.5"),
        (np.zeros((3, 2)), np.full((3, 2), np.nan), "label nan"),
        (np.zeros((3, 2)), np.full((3, 2), 2), "label 2"),
        (np.zeros((3, 2)), np.zeros((3, 2)), "positive"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "NaN"),
    ],
)
@pytest.mark.parametrize("use", [at_once, added])
def test_bad_input(scores: np.ndarray, labels: np.ndarray, words: str, use: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(ToMeValueError, match=words):
        use(MeanAveragePrecision(cache_dir=str(tmp_path)), scores, labels)
