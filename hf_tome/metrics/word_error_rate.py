"""Word error rate of transcripts."""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.metrics.checked import CheckedMetric
from hf_tome.metrics.words import errors_between, words_of

RULE = "The word error rate takes transcripts as texts, and as many texts that are right."
TEXT = datasets.Value("string")


class WordErrorRate(CheckedMetric):
    """Words that are wrong, missing or too many, by the words of the right texts; case and punctuation do not count.

    `compute(predictions=..., references=...)` gives `wer`, `errors` and `words`.

    Raises:
        ToMeValueError: if there are not as many of both, one is no text, or the right texts hold no word.
    """

    rule = RULE
    inputs = ({"predictions": TEXT, "references": TEXT},)

    def values(self, given: Any) -> np.ndarray:
        """(samples,) of texts."""
        if isinstance(given, str) or not all(isinstance(text, str) for text in given):
            raise ToMeValueError(complaint(RULE, f"{given!r}", "Pass two lists of texts."))
        return np.array(given, object)

    def check(self, predictions: np.ndarray, references: np.ndarray) -> None:
        """Refuse right texts without a word."""
        if not any(words_of(text) for text in references):
            raise ToMeValueError(complaint(RULE, "right texts without a word", "Check the column of texts."))

    def score(self, predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
        """The rate, and what it is made of."""
        pairs = [(words_of(text), words_of(right)) for text, right in zip(predictions, references, strict=True)]
        errors, words = sum(errors_between(*pair) for pair in pairs), sum(len(right) for _, right in pairs)
        return {"wer": errors / words, "errors": errors, "words": words}
