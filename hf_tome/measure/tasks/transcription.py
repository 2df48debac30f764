"""Transcription: the words that are wrong, and the words that merging changes."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_tome.data.samples import samples_with_texts
from hf_tome.measure.row import Row
from hf_tome.measure.statistics import fill_drift, fill_metric, ratios
from hf_tome.measure.store import Cell
from hf_tome.measure.tasks.task import Task
from hf_tome.metrics.words import errors_between, words_of

CHANGED = "words changed"


class Transcription(Task):
    """What is said in a sound. The answers are token ids."""

    find = staticmethod(samples_with_texts)

    @property
    def metric(self) -> str | None:
        """Word error rate."""
        return "WER"

    def cell(self, output: Any, unmerged: Any) -> Cell:
        """The words of both models, in the form that is compared."""
        texts = [[" ".join(words_of(text)) for text in self.encoder.texts(each)] for each in (output, unmerged)]
        return {"text": np.array(texts[0], str), "unmerged": np.array(texts[1], str)}

    def words(self, answers: Cell) -> list[str]:
        """What was heard."""
        return answers["text"].tolist()

    def fill(self, rows: list[Row], answers: list[Cell], seen: np.ndarray, against: int) -> None:
        """Word error rate, and the share of the unmerged model's words that are others."""
        fill_drift(rows, np.stack([each["text"] == each["unmerged"] for each in answers]), against)
        said = [words_of(str(self.samples.said[number][0])) for number in seen.tolist()]
        errors = np.array(
            [
                [errors_between(str(text).split(), words) for text, words in zip(each["text"], said, strict=True)]
                for each in answers
            ]
        )  # (rows, samples)
        fill_metric(rows, ratios(errors, np.array([len(words) for words in said])), len(seen), against, np.inf)
        words = sum(len(str(text).split()) for text in answers[0]["unmerged"])
        for row, each in zip(rows, answers, strict=True):
            pairs = zip(each["text"], each["unmerged"], strict=True)
            changed = sum(errors_between(str(text).split(), str(unmerged).split()) for text, unmerged in pairs)
            row.more = {CHANGED: changed / max(1, words)}
