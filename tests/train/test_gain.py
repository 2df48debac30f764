"""What a step gains leaves the model as it was; the loss of blended labels, against transformers' own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cases import CLASSES, SMALL_VIT
from torch.nn import functional as F
from training import Noise, arguments, losses

from hf_tome import apply_tome
from hf_tome.train import ToMeTrainer
from hf_tome.train.finetune import soft_cross_entropy
from hf_tome.train.run import measured_gain


class Blended(Noise):
    """Labels as shares of classes, all of them of one class."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        item = super().__getitem__(index)
        return {**item, "labels": F.one_hot(item["labels"], CLASSES).float()}


@pytest.mark.parametrize("accumulation", [1, 2])
def test_shares_of_one_class_have_the_loss_of_its_number(accumulation: int, tmp_path: Path) -> None:
    found = []
    for data, loss in ((Noise(), None), (Noise(), soft_cross_entropy), (Blended(), soft_cross_entropy)):
        settings = arguments(tmp_path, 2, gradient_accumulation_steps=accumulation)
        model = apply_tome(SMALL_VIT.build(), r=4)
        trainer = ToMeTrainer(model, settings, train_dataset=data, compute_loss_func=loss)
        trainer.train()
        found.append(losses(trainer))
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])


def test_a_measured_step_changes_nothing(tmp_path: Path) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = ToMeTrainer(model, arguments(tmp_path, 2), train_dataset=Noise())
    chance = torch.get_rng_state()
    gain = measured_gain(trainer)
    assert gain is not None
    assert gain.token_counts == [SMALL_VIT.tokens - 4 * layer for layer in range(5)]
    assert len(gain.speedups) == 3
    assert model.config.tome["r"] == 4
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(each.grad is None for each in model.parameters())
