"""What the metrics share: input is checked as it comes in, and scored at once where nothing has to be kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import datasets
import evaluate
import numpy as np
from torch import Tensor

from hf_tome.errors import ToMeValueError, complaint


class CheckedMetric(evaluate.Metric, ABC):
    """A metric of `evaluate` whose predictions and references are arrays, checked by `check` and scored by `score`."""

    rule: str  # what the input must be
    inputs: tuple[dict[str, Any], ...]  # features of the input, one for each form of it

    @abstractmethod
    def check(self, predictions: np.ndarray, references: np.ndarray) -> None:
        """Raise ToMeValueError for shapes and values that cannot be scored."""

    @abstractmethod
    def score(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """The metric's values, of checked input."""

    def _info(self) -> evaluate.MetricInfo:
        features = [datasets.Features(each) for each in self.inputs]
        return evaluate.MetricInfo(
            description=str(self.__doc__), citation="", inputs_description=self.rule, features=features
        )

    def compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any] | None:
        """As `evaluate.Metric.compute`. What is passed whole is not written to a file first."""
        if self.writer is not None or self.num_process > 1 or kwargs:
            return super().compute(predictions=predictions, references=references, **kwargs)
        if predictions is None and references is None:
            raise ToMeValueError(complaint(self.rule, "neither", "Pass them, or add some before compute()."))
        return self._compute(predictions, references)

    def add_batch(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> None:
        """As `evaluate.Metric.add_batch`."""
        predictions, references = self._checked(predictions, references)
        super().add_batch(predictions=predictions, references=references, **kwargs)

    def add(self, *, prediction: Any = None, reference: Any = None, **kwargs: Any) -> None:
        """As `evaluate.Metric.add`: one sample."""
        self.add_batch(predictions=[prediction], references=[reference], **kwargs)

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:  # pyright: ignore
        return self.score(*self._checked(predictions, references))

    def _checked(self, predictions: Any, references: Any) -> tuple[np.ndarray, np.ndarray]:
        predictions, references = self.values(predictions), self.values(references)
        if not predictions.size or len(predictions) != len(references):
            got = f"shapes {predictions.shape} and {references.shape}"
            raise ToMeValueError(complaint(self.rule, got, "Pass as many of the one as of the other, at least one."))
        if predictions.dtype.kind == "f" and np.isnan(predictions).any():
            row = np.argwhere(np.isnan(predictions))[0][0]
            raise ToMeValueError(complaint(self.rule, f"NaN in sample {row}", "Look for the overflow in the model."))
        self.check(predictions, references)
        return predictions, references

    def values(self, given: Any) -> np.ndarray:
        """What is given, as an array with a row a sample. Raises ToMeValueError if it is not of numbers."""
        if isinstance(given, Tensor):
            given = given.detach().cpu().double() if given.is_floating_point() else given.cpu()
        try:
            numbers = np.asarray(given)
            if numbers.dtype.kind not in "biuf" or not numbers.ndim:
                raise TypeError(f"an array of {numbers.dtype} with shape {numbers.shape}")
        except (ValueError, TypeError) as error:
            cure = "Pass arrays of numbers, rows of one length."
            raise ToMeValueError(complaint(self.rule, str(error), cure)) from error
        return numbers
