"""Small trainings: data sets of noise that tell their class, and the settings that every test shares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from cases import CLASSES, SMALL_VIT, Case
from torch import Tensor
from torch.utils.data import Dataset
from transformers import TrainerCallback, TrainingArguments


class Noise(Dataset):
    """Inputs of one case with labels, the same for every data set of the same case.

    Attributes:
        count: samples.
        several: whether each sample has several labels (float vectors) instead of one.
    """

    def __init__(self, case: Case = SMALL_VIT, count: int = 16, several: bool = False) -> None:
        name, shape = case.family.pixels
        made = torch.Generator().manual_seed(0)
        self.name, self.inputs = name, torch.randn(count, *shape, generator=made)
        self.labels = torch.arange(count) % CLASSES
        if several:
            self.labels = torch.randint(0, 2, (count, CLASSES), generator=made).float()

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {self.name: self.inputs[index], "labels": self.labels[index]}


class Stop(TrainerCallback):
    """Ends a training after some steps, though it was planned for more."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop = state.global_step >= self.after


def arguments(folder: Path, steps: int = 4, **settings: Any) -> TrainingArguments:
    """Training on the CPU with a log of each step."""
    common: dict[str, Any] = {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": 4,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 0,
    }
    return TrainingArguments(**{**common, **settings})


def losses(trainer: Any) -> list[float]:
    """The loss of each step, as logged."""
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
