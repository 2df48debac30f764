"""Tuning on a classifier's samples: which ones, what is kept, and the schedules beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import CLASSES, SMALL_VIT
from transformers import ViTImageProcessorPil

from hf_tome import ToMeConfig
from hf_tome.data.classifier import Classifier
from hf_tome.data.samples import Samples
from hf_tome.measure.row import Row
from hf_tome.tune import Goal, Trials, Tuned
from hf_tome.tune.report import drawn, judged, remarks, tune_kept

GOAL: dict[str, Any] = {"target_speedup": 1.3, "trials": 12}


@pytest.fixture
def classifier() -> Classifier:
    side = SMALL_VIT.family.settings["image_size"]
    processor = ViTImageProcessorPil(size={"height": side, "width": side})
    return Classifier(SMALL_VIT.build().eval(), processor, "image")


def samples(count: int, labels: np.ndarray | None = None) -> Samples:
    def read(number: int) -> np.ndarray:
        return np.random.default_rng(number).integers(0, 256, (24, 24, 3), np.uint8)

    return Samples("noise", "noise", None, "noise", read, labels, count)


def pixels(batches: list[dict[str, Any]]) -> set[bytes]:
    return {image.numpy().tobytes() for batch in batches for image in batch["pixel_values"]}


def test_held_out_inputs_are_others(classifier: Classifier) -> None:
    for count, sizes in ((40, [8, 8]), (13, [7, 6]), (2, [1, 1]), (1, [1, 0])):
        parts = drawn(classifier, samples(count, np.arange(count) % CLASSES), 8, 3)
        assert [len(pixels(part)) for part in parts] == sizes
        assert not pixels(parts[0]) & pixels(parts[1])
        assert [pixels(part) for part in drawn(classifier, samples(count), 8, 8)] == [pixels(part) for part in parts]
        for part in parts:
            assert all(len(batch["labels"]) == len(batch["pixel_values"]) <= 3 for batch in part)


def test_labels_are_those_of_the_inputs(classifier: Classifier) -> None:
    labels = np.array([3, 1, 4, 1, 0, 2, 4, 3])
    whole = classifier.inputs([samples(8).read(number) for number in range(8)])["pixel_values"]
    for batch in drawn(classifier, samples(8, labels), 4, 4)[0]:
        for image, label in zip(batch["pixel_values"], batch["labels"], strict=True):
            assert label == labels[next(number for number in range(8) if torch.equal(whole[number], image))]
    several = np.eye(CLASSES, dtype=np.int64)[labels]
    assert "labels" not in drawn(classifier, samples(8, several), 4, 4)[0][0]


def test_what_is_finished_is_not_run_again(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibration, _ = drawn(classifier, samples(8), 4, 4)
    store = tmp_path / "trials.sqlite"

    def interrupt(best: Tuned) -> None:
        if len(best.known) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_kept(classifier, calibration, store, interrupt, **GOAL)
    forwards: list[int] = []
    plain = Trials._logits
    monkeypatch.setattr(Trials, "_logits", lambda self, inputs: (forwards.append(1), plain(self, inputs))[1])
    went_on = tune_kept(classifier, calibration, store, **GOAL)
    assert len(forwards) == 1 + len(went_on.known) - 6  # the unmerged model is the reference each time
    at_once = tune_kept(classifier, calibration, None, **GOAL)
    assert (went_on.r, went_on.trial) == (at_once.r, at_once.trial)
    forwards.clear()
    tune_kept(classifier, calibration, store, prop_attn=False, **GOAL)
    assert len(forwards) == 13  # other settings: nothing is known


@pytest.mark.slow
def test_schedules_at_equal_multiply_adds(classifier: Classifier) -> None:
    calibration, held_out = drawn(classifier, samples(8, np.arange(8) % CLASSES), 4, 4)
    best = tune_kept(classifier, calibration, None, **GOAL)
    rows = judged(classifier, best, held_out)
    assert [row.name for row in rows] == ["unmerged", "tuned", "constant", "decreasing"]
    assert rows[1].r == best.r
    assert rows[1].mac_ratio == best.mac_ratio
    for row in rows[2:]:
        assert best.mac_ratio <= row.mac_ratio < 1.05 * best.mac_ratio
    trials = Trials(SMALL_VIT.build(), held_out, ToMeConfig(r=0))
    for row in rows:
        trial = trials(tuple(row.r))
        assert (row.kl, row.agreement, row.metric) == (trial.kl, trial.agreement, trial.accuracy)
    assert rows[0].kl == 0


def test_what_the_figures_do_not_say_by_themselves() -> None:
    def rows(tuned_kl: float, constant_kl: float, accuracy: float) -> list[Row]:
        return [
            Row([0, 0], "unmerged", kl=0.0, metric=0.9),
            Row([3, 1], "tuned", kl=tuned_kl, metric=accuracy),
            Row([2, 2], "constant", kl=constant_kl, metric=0.9),
        ]

    goal = Goal(max_kl=0.01)
    assert remarks(goal, rows(0.005, 0.02, 0.9), True) == []
    (said,) = remarks(goal, rows(0.02, 0.03, 0.9), True)
    assert "0.02 here, above --max-kl 0.01" in said
    assert remarks(goal, rows(0.02, 0.03, 0.9), False) == []  # it is what the search allowed
    (said,) = remarks(goal, rows(0.004, 0.004, 0.9), False)
    assert "apply_tome(model, r=[2, 2]) does as well" in said
    (said,) = remarks(Goal(max_drop=1), rows(0.004, 0.02, 0.85), True)
    assert "5.0 points of accuracy are lost here, above --max-drop 1" in said
