"""Heads of several families learn with merged tokens."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import pytest
from heads import HEADS, Head, Samples, name
from training import arguments, losses

from hf_tome import apply_tome
from hf_tome.train import ToMeTrainer


@pytest.mark.parametrize("head", HEADS, ids=name)
def test_the_loss_of_one_batch_falls(head: Head, tmp_path: Path) -> None:
    model = apply_tome(head.model(head.config()), r=2)
    trainer = ToMeTrainer(model, arguments(tmp_path, 6, learning_rate=2e-3), train_dataset=Samples(head))
    trainer.train()
    steps = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
    assert all(isfinite(step["grad_norm"]) and step["grad_norm"] > 0 for step in steps)
    assert steps[0]["tome_tokens_3"] == steps[0]["tome_tokens_0"] - 6
    assert losses(trainer)[-1] < losses(trainer)[0]
