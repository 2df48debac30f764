"""The base class of tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hf_tome.data.samples import Samples
from hf_tome.measure.row import Row
from hf_tome.measure.store import Cell


@dataclass
class Task(ABC):
    """What a model is asked to do on samples, and what its answers are worth.

    Attributes:
        encoder: the model with its processor, of the class that `TASKS` names for the task.
        samples: what it is asked about.
    """

    encoder: Any
    samples: Samples
    find: ClassVar[Callable[..., Samples]]  # samples for such a model, of any data set

    @property
    @abstractmethod
    def metric(self) -> str | None:
        """Name of the metric; None where the samples have no labels."""

    @abstractmethod
    def cell(self, output: Any, unmerged: Any) -> Cell:
        """What is kept of one variant's answer on one batch: arrays with a row a sample.

        Args:
            output: of the variant, as `Encoder.output` gives it.
            unmerged: of the unmerged model on the same batch.
        """

    @abstractmethod
    def words(self, answers: Cell) -> list[str]:
        """Each answer as text, of what `cell` gave."""

    @abstractmethod
    def fill(self, rows: list[Row], answers: list[Cell], seen: np.ndarray, against: int) -> None:
        """Fill in what the answers are worth.

        Args:
            rows: the unmerged model first.
            answers: for each row, what `cell` gave on all samples together.
            seen: numbers of these samples.
            against: number of the row that changes are against.
        """
