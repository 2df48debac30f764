"""What one training step of a case takes: time against the unmerged model, and memory."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from benchmarks.recorded.training_cases import Case
from hf_tome.data.classifier import load_classifier
from hf_tome.data.folder import files_below
from hf_tome.measure.speed import measure

BATCH, ROUNDS = 32, 10


def steps(case: Case, model: Path, data: Path) -> list[dict[str, Any]]:
    """A row of `measure` for r = 0 and each r of the case: forward, backward and optimizer on one real batch."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the trainings
    try:
        classifier = load_classifier(str(model))
        files = files_below(data / "train", case.script)[:BATCH]
        inputs = classifier.inputs([classifier.read(file) for file in files])
        return [
            dataclasses.asdict(row) for row in measure(classifier.model, inputs, case.rs, rounds=ROUNDS, train=True)
        ]
    finally:
        torch.set_num_threads(threads)
