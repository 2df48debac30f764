"""The evaluators, around pipelines with merging and without, against a plain loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import evaluate
import numpy as np
import pytest
import torch
from cases import CLASSES
from own_data import BY_MODALITY, labelled, rows, saved, two_classes
from sklearn.metrics import average_precision_score
from transformers import Pipeline, pipeline

from hf_tome import ToMeError, apply_tome
from hf_tome.data.folder import files_below
from hf_tome.metrics.evaluators import classifier_of, evaluator

COUNT = 6
TIMES = {"total_time_in_seconds", "samples_per_second", "latency_in_seconds"}


def made(modality: str, root: Path) -> tuple[Pipeline, Path]:
    case = BY_MODALITY[modality]
    pipe: Any = pipeline(f"{modality}-classification", str(saved(case, root / "model")))  # pyright: ignore
    apply_tome(pipe.model, r=4)
    return pipe, labelled(case, root / "data", COUNT)


def scores_of(pipe: Pipeline, files: list[Path]) -> np.ndarray:
    """(samples, classes), one file at a time."""
    classifier = classifier_of(pipe)
    with torch.no_grad():
        logits = [pipe.model(**classifier.inputs([classifier.read(path)])).logits[0] for path in files]
    return torch.stack(logits).numpy()


@pytest.mark.parametrize("modality", BY_MODALITY)
def test_pipelines_of_each_modality(modality: str, tmp_path: Path) -> None:
    pipe, folder = made(modality, tmp_path)
    files = files_below(folder, modality)
    expected = np.mean(scores_of(pipe, files).argmax(1) == [int(path.parent.name[-1]) for path in files])
    judge = evaluator(f"{modality}-classification")
    found = judge.compute(pipe, folder, metric="accuracy", strategy="bootstrap", n_resamples=50, random_state=0)
    assert found.keys() == {"accuracy"} | TIMES
    low, high = found["accuracy"]["confidence_interval"]
    assert low <= found["accuracy"]["score"] == expected <= high
    assert found["samples_per_second"] * found["latency_in_seconds"] == pytest.approx(1)
    assert judge.compute(pipe, rows(folder, modality))["accuracy"] == expected


@pytest.mark.parametrize("modality", BY_MODALITY)
def test_several_labels(modality: str, tmp_path: Path) -> None:
    pipe, _ = made(modality, tmp_path)
    folder = labelled(BY_MODALITY[modality], tmp_path / "several", COUNT, two_classes)
    files = files_below(folder, modality)
    labels = np.array([[f"class {kind}" in path.parent.name for kind in range(CLASSES)] for path in files])
    pipe.model.config.problem_type = "multi_label_classification"
    found = evaluator(f"{modality}-classification").compute(pipe, folder, metric="mAP")
    assert found["mAP"] == pytest.approx(average_precision_score(labels, scores_of(pipe, files)))


class Wrong(evaluate.Metric):
    """A metric of somebody else, which takes class numbers."""

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("int64")
        features = datasets.Features({"predictions": number, "references": number})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions: list[int], references: list[int]) -> dict[str, float]:  # pyright: ignore
        return {"wrong": float(np.mean(np.array(predictions) != np.array(references)))}


def test_other_metrics_and_other_names(tmp_path: Path) -> None:
    pipe, folder = made("image", tmp_path)
    judge, data = evaluator("image-classification"), rows(folder, "image")
    right = judge.compute(pipe, data)["accuracy"]
    assert judge.compute(pipe, data, metric=Wrong(keep_in_memory=True))["wrong"] == pytest.approx(1 - right)
    numbers = data.cast_column("label", datasets.Value("int64"))
    mapping = {f"class {number}": CLASSES - 1 - number for number in range(CLASSES)}
    assert judge.compute(pipe, numbers, label_mapping=mapping)["accuracy"] == right
    assert judge.compute(str(tmp_path / "model"), data, limit=2, device=-1).keys() == {"accuracy"} | TIMES


def test_refusals(tmp_path: Path) -> None:
    pipe, folder = made("image", tmp_path)
    judge, data = evaluator("image-classification"), rows(folder, "image")
    with pytest.raises(ToMeError, match="one of image-classification"):
        evaluator("text-classification")
    with pytest.raises(ToMeError, match="one for image-classification"):
        evaluator("audio-classification").compute(pipe, folder)
    with pytest.raises(ToMeError, match="needs labels"):
        judge.compute(pipe, data.remove_columns("label"))
    with pytest.raises(ToMeError, match="none for class 1"):
        judge.compute(pipe, data.cast_column("label", datasets.Value("int64")), label_mapping={"class 0": 4})
    with pytest.raises(ToMeError, match="0 rows"):
        judge.compute(pipe, data.select([]))
