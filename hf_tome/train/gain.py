"""The speed-up of a training step by merging, measured on the first batch before the training."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from transformers import set_seed

from hf_tome.api import apply_tome
from hf_tome.data.encoder import fitting
from hf_tome.measure.compare import time_rounds
from hf_tome.measure.row import Row, pair
from hf_tome.trace import trace_tome
from hf_tome.train.card import settings_of
from hf_tome.train.trainer import ToMeTrainer

ROUNDS = 3


def measured_gain(trainer: ToMeTrainer) -> Row | None:
    """Forward and backward on the first samples, in turn without merging and with it. No weight changes.

    Returns:
        The row of the merged steps, with `speedup` against r = 0 and `token_counts`; None where the unmerged step does
        not fit in memory, or the model is not whole on one device.
    """
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return None
    model: Any = trainer.model
    data: Any = trainer.train_dataset
    rows = [data[number] for number in range(min(len(data), trainer.args.train_batch_size))]
    inputs = trainer._prepare_inputs(trainer.data_collator(rows))
    settings = settings_of(model)

    def step(r: Any, inputs: dict[str, Any]) -> None:
        apply_tome(model, config=settings.replace(r=r))
        with trainer.accelerator.autocast():
            loss: Any = trainer.compute_loss(model, dict(inputs))
        loss.backward()
        model.zero_grad()

    runs = [partial(step, r) for r in (0, settings.r)]
    model.train()
    if trainer.args.gradient_checkpointing:
        model.gradient_checkpointing_enable(trainer.args.gradient_checkpointing_kwargs)
    try:
        with fitting(model):
            time_rounds(runs, inputs, 1)  # warms up
        seconds = time_rounds(runs, inputs, ROUNDS)
        with trace_tome(model) as trace:
            runs[1](inputs)
    except torch.cuda.OutOfMemoryError:
        return None
    finally:
        model.zero_grad()
        apply_tome(model, config=settings)
        set_seed(trainer.args.seed)  # what is random in the training is as without the measurement
    unmerged, merged = (Row(seconds=each, token_counts=trace.token_counts) for each in seconds)
    pair([unmerged, merged])
    return merged
