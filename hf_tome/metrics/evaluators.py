"""Evaluators for pipelines that classify images, sounds and clips, used as those of `evaluate`. Needs the extra `eval`.

`evaluate.evaluator` breaks on pipelines of transformers 5, reads sounds only with torchcodec, and knows no clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from typing import Any

import numpy as np
import torch
from evaluate import EvaluationModule, load
from scipy.stats import bootstrap
from transformers import BatchFeature, Pipeline, PreTrainedModel, pipeline

from hf_tome.data.classifier import Classifier
from hf_tome.data.rows import Prepared
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


class ClassificationEvaluator:
    """Runs a pipeline over labelled media, and a metric over what it says. Use `evaluator(task)`.

    Files are read by `hf_tome.data`, one at a time, whatever decoder is installed. Frames of a clip are spread evenly
    over all of it; transformers' own pipeline reads the first ones.
    """

    def __init__(self, task: str) -> None:
        self.task = task

    def compute(
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
        if strategy not in ("simple", "bootstrap"):
            raise ToMeValueError(complaint("The strategy is simple or bootstrap.", strategy, "Choose one of them."))
        pipe = self._pipeline(model_or_pipeline, feature_extractor, device)
        classifier = classifier_of(pipe)
        samples = samples_of(data, classifier, split=split, limit=limit, media_column=input_column,
                             label_column=label_column, label2id=label_mapping)  # fmt: skip
        if samples.labels is None:
            cure = "Name the column of labels, or the folders by the model's classes."
            raise ToMeValueError(complaint("An evaluation needs labels.", f"none in {samples.name}", cure))
        start = perf_counter()
        answers = list(_answers(pipe, classifier, samples))
        seconds = perf_counter() - start
        if isinstance(metric, str):
            metric = METRICS[metric](keep_in_memory=True) if metric in METRICS else load(metric)
        predictions = _scores(answers, classifier.label2id if label_mapping is None else label_mapping)
        if not _takes_scores(metric):
            predictions = predictions.argmax(-1)

        def values(rows: np.ndarray) -> dict[str, Any]:
            return metric.compute(predictions=predictions[rows], references=samples.labels[rows]) or {}  # pyright: ignore

        found = values(np.arange(samples.count))
        if strategy == "bootstrap":
            found = _with_intervals(found, values, samples.count, n_resamples=n_resamples, random_state=random_state,
                                    confidence_level=confidence_level)  # fmt: skip
        times = {"total_time_in_seconds": seconds, "samples_per_second": samples.count / seconds}
        return {**found, **times, "latency_in_seconds": seconds / samples.count}

    def _pipeline(self, model: Any, processor: Any, device: int | None) -> Pipeline:
        """The pipeline itself, or one for a model or its name."""
        if isinstance(model, str | PreTrainedModel):
            kind = "feature_extractor" if self.task.startswith("audio") else "image_processor"
            options: Any = {} if processor is None else {kind: processor}
            place = (0 if torch.cuda.is_available() else -1) if device is None else device
            model = pipeline(self.task, model=model, device=place, **options)  # pyright: ignore
        if not isinstance(model, Pipeline) or model.task != self.task:
            got = f"one for {model.task}" if isinstance(model, Pipeline) else shown(model)
            raise ToMeTypeError(complaint(f"The pipeline is one for {self.task}.", got, "Use pipeline(task, model)."))
        return model


def classifier_of(pipe: Pipeline) -> Classifier:
    """The model and the processor of a pipeline. Raises ToMeValueError if it has no processor."""
    modality = pipe.task.partition("-")[0]
    processor = pipe.feature_extractor if modality == "audio" else pipe.image_processor
    if processor is None:
        rule = "The pipeline has an image processor, or a feature extractor for sounds."
        raise ToMeValueError(complaint(rule, "neither", "Pass it to pipeline()."))
    return Classifier(pipe.model, processor, modality)


def _answers(pipe: Pipeline, classifier: Classifier, samples: Samples) -> Iterator[Any]:
    """The scores of all classes, by name, for each sample."""
    options: dict[str, Any] = {"top_k": pipe.model.config.num_labels}
    if pipe.model.config.problem_type == "multi_label_classification":
        options["function_to_apply"] = "sigmoid"  # older transformers take softmax for sounds and clips
    media = (samples.read(number) for number in range(samples.count))
    if classifier.modality == "video" or isinstance(samples.read(0), Prepared):  # the pipeline takes neither
        for medium in media:
            inputs = BatchFeature(classifier.inputs([medium])).to(pipe.dtype or torch.float32)
            yield pipe.postprocess(pipe.forward(inputs), **{**pipe._postprocess_params, **options})  # pyright: ignore
        return
    if classifier.modality == "audio":
        rate = classifier.processor.sampling_rate
        media = ({"array": wave, "sampling_rate": rate} for wave in media)
    yield from pipe(media, **options)  # pyright: ignore


def _scores(answers: list[Any], numbers: Mapping[str, int]) -> np.ndarray:
    """(samples, classes), with the classes in the order of the data. Of classes made one, the highest."""
    scores = np.zeros((len(answers), max(numbers.values()) + 1))
    for row, answer in zip(scores, answers, strict=True):
        for each in answer:
            if each["label"] not in numbers:
                rule = "label_mapping has a number for each label of the model."
                raise ToMeValueError(complaint(rule, f"none for {each['label']}", "Add it."))
            number = numbers[each["label"]]
            row[number] = max(row[number], each["score"])
    return scores


def _takes_scores(metric: EvaluationModule) -> bool:
    """Whether predictions are scores of all classes, and not class numbers."""
    known: Any = metric.features if isinstance(metric.features, list) else [metric.features]
    return any(hasattr(each["predictions"], "feature") for each in known)


def _with_intervals(
    found: dict[str, Any], values: Callable[[np.ndarray], dict[str, Any]], count: int, **options: Any
) -> dict[str, Any]:
    """The values with bootstrap intervals, all on the same draws of whole samples."""
    result: Any = bootstrap(
        (np.arange(count),), lambda rows: np.array([*values(rows).values()], float), vectorized=False,
        method="percentile", **options,
    )  # fmt: skip
    rows = zip(found.items(), *result.confidence_interval, result.standard_error, strict=True)
    return {
        name: {"score": score, "confidence_interval": (float(low), float(high)), "standard_error": float(error)}
        for (name, score), low, high, error in rows
    }
