"""Evaluators of `evaluate` for pipelines that classify images, sounds and clips. Needs the extra `eval`.

`evaluate.evaluator` breaks on pipelines of transformers 5, reads sounds only with torchcodec, and knows no clips.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from evaluate import EvaluationModule, load
from evaluate.evaluator import Evaluator
from scipy.stats import bootstrap
from torch.utils.data import Dataset
from transformers import BatchFeature, Pipeline, PreTrainedModel, pipeline

from hf_tome.data.classifier import Classifier
from hf_tome.data.samples import Samples, samples_of
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.metrics.accuracy import Accuracy
from hf_tome.metrics.average_precision import MeanAveragePrecision

TASKS = ("image-classification", "audio-classification", "video-classification")
METRICS = {"accuracy": Accuracy, "mAP": MeanAveragePrecision}


def evaluator(task: str) -> ClassificationEvaluator:
    """The evaluator of a task, as `evaluate.evaluator` gives it.

    Raises:
        ToMeValueError: if the task is not one of image-, audio- and video-classification.
    """
    if task not in TASKS:
        raise ToMeValueError(complaint(f"The task is one of {', '.join(TASKS)}.", task, "Choose one of them."))
    return ClassificationEvaluator(task)


class ClassificationEvaluator(Evaluator):
    """Runs a pipeline over labelled media, and a metric over what it says. Use `evaluator(task)`.

    Files are read by `hf_tome.data`, one at a time, whatever decoder is installed. Frames of a clip are spread evenly
    over all of it; transformers' own pipeline reads the first ones.
    """

    def compute(  # pyright: ignore
        self,
        model_or_pipeline: str | PreTrainedModel | Pipeline,
        data: Any,
        *,
        metric: str | EvaluationModule = "accuracy",
        split: str | None = None,
        strategy: str = "simple",
        confidence_level: float = 0.95,
        n_resamples: int = 9999,
        random_state: int | None = None,
        feature_extractor: Any = None,
        device: int | None = None,
        limit: int | None = None,
        input_column: str | None = None,
        label_column: str | None = None,
        label_mapping: Mapping[str, int] | None = None,
    ) -> dict[str, Any]:
        """The metric's values, and how long it took.

        Args:
            model_or_pipeline: a pipeline of this task, around a model with `apply_tome` or without; or what
                `transformers.pipeline` makes one of.
            data: a `datasets.Dataset`, the name of one on the hub, or a folder; see `samples_of`.
            metric: "accuracy" (with top-5), "mAP" for several labels, a loaded metric, or the name of one on the hub.
            split: of the hub's data set, or a subfolder.
            strategy: "simple", or "bootstrap" for confidence intervals.
            confidence_level: of the intervals.
            n_resamples: how often the samples are drawn anew for an interval.
            random_state: draws them.
            feature_extractor: the processor, where a model is given.
            device: number of the GPU, or -1 for the CPU, where a name or a model is given.
            limit: so many samples only.
            input_column: of the media; by default found by its feature.
            label_column: of the classes; by default found by its feature.
            label_mapping: the data's number of each of the model's labels; by default as in the model's config.

        Returns:
            Each of the metric's values; with "bootstrap" a dict of `score`, `confidence_interval` and `standard_error`
            for each. With them `total_time_in_seconds`, `samples_per_second` and `latency_in_seconds` (a sample),
            reading included.

        Raises:
            ToMeError: if data, labels, metric or pipeline do not fit each other.
        """
        pipe = self.prepare_pipeline(model_or_pipeline, feature_extractor=feature_extractor, device=device)
        classifier = classifier_of(pipe)
        numbers = dict(classifier.classes) if label_mapping is None else label_mapping
        samples = samples_of(data, classifier, split=split, limit=limit, media_column=input_column,
                             label_column=label_column, label2id=label_mapping)  # fmt: skip
        if samples.labels is None:
            cure = "Name the column of labels, or the folders by the model's classes."
            raise ToMeValueError(complaint("An evaluation needs labels.", f"none in {samples.name}", cure))
        answers, times = self.call_pipeline(pipe, samples)
        scores = self.predictions_processor(answers, numbers)
        found = self.compute_metric(
            self.prepare_metric(metric), {**scores, "references": samples.labels}, strategy=strategy,  # pyright: ignore
            confidence_level=confidence_level, n_resamples=n_resamples, random_state=random_state,
        )  # fmt: skip
        return {**found, **times}

    def prepare_pipeline(
        self, model_or_pipeline: Any, tokenizer: Any = None, feature_extractor: Any = None, device: int | None = None
    ) -> Pipeline:
        """The pipeline itself, or one for a model or its name."""
        pipe = model_or_pipeline
        if isinstance(pipe, str | PreTrainedModel):
            kind = "feature_extractor" if self.task.startswith("audio") else "image_processor"
            given = {} if feature_extractor is None else {kind: feature_extractor}
            place = self._infer_device() if device is None else device
            pipe = pipeline(self.task, model=pipe, device=place, **given)  # pyright: ignore
        if not isinstance(pipe, Pipeline) or pipe.task != self.task:
            got = f"one for {pipe.task}" if isinstance(pipe, Pipeline) else shown(pipe)
            raise ToMeTypeError(complaint(f"The pipeline is one for {self.task}.", got, "Use pipeline(task, model)."))
        return pipe

    def prepare_metric(self, metric: str | EvaluationModule) -> EvaluationModule:
        """Those of this package by name, or what `evaluate.load` gives."""
        if not isinstance(metric, str):
            return metric
        return METRICS[metric](keep_in_memory=True) if metric in METRICS else load(metric)

    def call_pipeline(self, pipe: Pipeline, samples: Samples) -> tuple[list[list[dict[str, Any]]], dict[str, float]]:  # pyright: ignore
        """The scores of all classes for each sample, and how long that took."""
        config = pipe.model.config
        options: dict[str, Any] = {"top_k": config.num_labels}
        if config.problem_type == "multi_label_classification":
            options["function_to_apply"] = "sigmoid"  # older transformers take softmax for sounds and clips
        start = perf_counter()
        clips = self.task.startswith("video")
        found: Any = _clips(pipe, samples, options) if clips else pipe(_Inputs(samples, pipe), **options)
        answers = list(found)
        return answers, self._compute_time_perf(start, perf_counter(), len(answers))

    def predictions_processor(self, predictions: Any, label_mapping: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Scores (samples, classes), with the classes in the order of the data. Of classes made one, the highest."""
        scores = np.zeros((len(predictions), max(label_mapping.values()) + 1))
        for row, answer in zip(scores, predictions, strict=True):
            for each in answer:
                if each["label"] not in label_mapping:
                    rule = "label_mapping has a number for each label of the model."
                    raise ToMeValueError(complaint(rule, f"none for {each['label']}", "Add it."))
                number = label_mapping[each["label"]]
                row[number] = max(row[number], each["score"])
        return {"predictions": scores}

    def compute_metric(self, metric: Any, metric_inputs: dict[str, Any], **options: Any) -> dict[str, Any]:  # pyright: ignore
        """As upstream; a metric that takes no scores gets class numbers."""
        known = metric.features if isinstance(metric.features, list) else [metric.features]
        scores = metric_inputs["predictions"]
        if not any(hasattr(each["predictions"], "feature") for each in known):
            metric_inputs = {**metric_inputs, "predictions": scores.argmax(-1)}
        return super().compute_metric(metric, metric_inputs, **options)  # pyright: ignore

    @staticmethod
    def _compute_confidence_interval(
        metric: EvaluationModule,
        metric_inputs: dict[str, Any],
        metric_keys: Any,
        confidence_level: float = 0.95,
        n_resamples: int = 9999,
        random_state: int | None = None,
    ) -> dict[str, Any]:
        """All values on the same draws of whole samples; upstream would draw classes of a matrix of scores."""

        def values(drawn: np.ndarray) -> np.ndarray:
            found: Any = metric.compute(**{name: each[drawn] for name, each in metric_inputs.items()})
            return np.array([found[key] for key in metric_keys], float)

        whole = np.arange(len(metric_inputs["references"]))
        options: Any = {"n_resamples": n_resamples, "confidence_level": confidence_level, "random_state": random_state}
        result: Any = bootstrap((whole,), values, vectorized=False, method="percentile", **options)
        bounds = zip(metric_keys, *result.confidence_interval, result.standard_error, strict=True)
        return {
            key: {"confidence_interval": (float(low), float(high)), "standard_error": float(error)}
            for key, low, high, error in bounds
        }


class _Inputs(Dataset):
    """The samples as a pipeline takes them: read when they are asked for."""

    def __init__(self, samples: Samples, pipe: Pipeline) -> None:
        self.samples, self.extractor = samples, pipe.feature_extractor

    def __len__(self) -> int:
        return self.samples.count

    def __getitem__(self, number: int) -> Any:
        medium = self.samples.read(number)
        if isinstance(medium, np.ndarray):
            return {"array": medium, "sampling_rate": self.extractor.sampling_rate}  # pyright: ignore
        return medium


def classifier_of(pipe: Pipeline) -> Classifier:
    """The model and the processor of a pipeline.

    Raises:
        ToMeValueError: if the pipeline has no processor.
    """
    modality = pipe.task.partition("-")[0]
    processor = pipe.feature_extractor if modality == "audio" else pipe.image_processor
    if processor is None:
        rule = "The pipeline has an image processor, or a feature extractor for sounds."
        raise ToMeValueError(complaint(rule, "neither", "Pass it to pipeline()."))
    return Classifier(pipe.model, processor, modality)


def _clips(pipe: Pipeline, samples: Samples, options: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    classifier = classifier_of(pipe)
    for number in range(samples.count):
        inputs = BatchFeature(classifier.inputs([samples.read(number)])).to(pipe.dtype or torch.float32)
        outputs: Any = pipe.forward(inputs)
        yield pipe.postprocess(outputs, **{**pipe._postprocess_params, **options})
