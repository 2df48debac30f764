"""ToMeTrainer mends what the plain Trainer gets wrong. Each test shows the fault first, where the version has it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from cases import CLASSIFIERS, SMALL_VIDEO, SMALL_VIT, Case, each_classifier
from huggingface_hub import ModelCard
from torch import Tensor
from training import Noise, Stop, arguments, losses
from transformers import PreTrainedModel, Trainer, TrainerCallback

from hf_tome import NotPatchedError, ToMeError, ToMeValueError, apply_tome
from hf_tome.train import ToMeTrainer, last_checkpoint, restore_weights

VERSION = transformers.__version__
# VideoMAE got new names of weights in a version after 5.17.0; the others had them in 5.10 already.
VIDEO_IS_RENAMED = {"5.10.4": False, "5.17.0": False, "5.23.0": True}


def wrong_weights(model: PreTrainedModel, right: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, right[name])]


def weights(model: PreTrainedModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def trained(case: Case, folder: Path) -> dict[str, Tensor]:
    """The weights after two steps, the checkpoint of which is in `folder`."""
    model = apply_tome(case.build(), r=4)
    ToMeTrainer(model, arguments(folder, 2, save_strategy="steps", save_steps=2), train_dataset=Noise(case)).train()
    return weights(model)


@each_classifier
def test_resume_restores_every_weight(case: Case, tmp_path: Path) -> None:
    right = trained(case, tmp_path)
    checkpoint = last_checkpoint(tmp_path)
    assert checkpoint is not None
    for kind in (Trainer, ToMeTrainer) if case in (SMALL_VIT, SMALL_VIDEO) else (ToMeTrainer,):
        model = apply_tome(case.build(seed=7), r=4)
        trainer = kind(model, arguments(tmp_path, 2), train_dataset=Noise(case))
        trainer.train(resume_from_checkpoint=checkpoint)
        wrong = wrong_weights(model, right)
        if kind is ToMeTrainer:
            assert not wrong
        elif case is not SMALL_VIDEO or VIDEO_IS_RENAMED.get(VERSION):
            assert wrong, f"transformers {VERSION} has mended its Trainer: is ours still needed?"


@pytest.mark.parametrize("kind", [Trainer, ToMeTrainer])
def test_the_best_model_comes_back(kind: type[Trainer], tmp_path: Path) -> None:
    """The loss rises, so that the first checkpoint is the best."""
    model = apply_tome(SMALL_VIT.build(), r=4)
    settings = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    wanted = arguments(tmp_path, 3, load_best_model_at_end=True, learning_rate=3.0, max_grad_norm=0, **settings)
    trainer = kind(model, wanted, train_dataset=Noise(), eval_dataset=Noise())
    trainer.train()
    assert str(trainer.state.best_model_checkpoint).endswith("checkpoint-1")
    best = SMALL_VIT.build(seed=3)
    restore_weights(best, tmp_path / "checkpoint-1")
    assert bool(wrong_weights(model, weights(best))) == (kind is Trainer)


def test_shards_are_restored(tmp_path: Path) -> None:
    model, other = SMALL_VIT.build(), SMALL_VIT.build(seed=7)
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert (tmp_path / "model.safetensors.index.json").exists()
    restore_weights(other, tmp_path)
    assert not wrong_weights(other, weights(model))


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    SMALL_VIT.build(num_hidden_layers=3, num_labels=7).save_pretrained(tmp_path)
    model = SMALL_VIT.build()
    before = weights(model)
    with pytest.raises(ToMeValueError, match=r"classifier\.weight.*layers\.3\.|layers\.3\..*classifier\.weight"):
        restore_weights(model, tmp_path)
    assert not wrong_weights(model, before)


def test_resumed_training_goes_on_as_if_never_broken_off(tmp_path: Path) -> None:
    """With dropout, whose random numbers must come back too."""

    def run(name: str, seed: int, resume: bool = False, callbacks: tuple[TrainerCallback, ...] = ()) -> ToMeTrainer:
        wanted = arguments(tmp_path / name, 5, save_strategy="steps", save_steps=2, lr_scheduler_type="cosine")
        model = apply_tome(SMALL_VIT.build(seed, hidden_dropout_prob=0.1), r=4)
        trainer = ToMeTrainer(model, wanted, train_dataset=Noise(), callbacks=list(callbacks))
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    whole = run("whole", seed=0)
    run("broken", seed=0, callbacks=(Stop(3),))
    resumed = run("broken", seed=7, resume=True)
    assert losses(resumed) == losses(whole)
    assert not wrong_weights(resumed.model, whole.model.state_dict())  # pyright: ignore


def test_half_a_checkpoint_is_passed_over(tmp_path: Path) -> None:
    trained(SMALL_VIT, tmp_path)
    for name, state in {"checkpoint-8": "", "checkpoint-9": '{"epo'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-10").mkdir()
    (tmp_path / "checkpoint-old").mkdir()
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-2")
    assert last_checkpoint(tmp_path / "nowhere") is None
    trainer = ToMeTrainer(apply_tome(SMALL_VIT.build(), r=4), arguments(tmp_path, 3), train_dataset=Noise())
    trainer.train(resume_from_checkpoint=True)
    assert len(losses(trainer)) == 3


@pytest.mark.parametrize(
    ("case", "told"), [(CLASSIFIERS[0], True), (CLASSIFIERS[-1], False)], ids=["problem_type", "by the labels"]
)
def test_the_loss_of_several_labels_is_not_multiplied(case: Case, told: bool, tmp_path: Path) -> None:
    settings = {"problem_type": "multi_label_classification"} if told else {}
    found = {}
    for kind in (Trainer, ToMeTrainer):
        for accumulate in (1, 4):
            wanted = arguments(tmp_path, 2, per_device_train_batch_size=8 // accumulate,
                               gradient_accumulation_steps=accumulate)  # fmt: skip
            model = apply_tome(case.build(**settings), r=4)
            trainer = kind(model, wanted, train_dataset=Noise(case, several=True))
            trainer.train()
            found[kind, accumulate] = torch.tensor(losses(trainer))
    torch.testing.assert_close(found[Trainer, 4][0], 4 * found[Trainer, 1][0])  # the fault
    torch.testing.assert_close(found[ToMeTrainer, 1], found[Trainer, 1], rtol=0, atol=0)
    torch.testing.assert_close(found[ToMeTrainer, 4], found[ToMeTrainer, 1])


def test_the_loss_of_one_label_stays_the_trainers(tmp_path: Path) -> None:
    """The mean over all samples of a step, though its last batch is smaller."""
    found = []
    for kind in (Trainer, ToMeTrainer):
        wanted = arguments(tmp_path, 1, gradient_accumulation_steps=4)
        trainer = kind(apply_tome(SMALL_VIT.build(), r=4), wanted, train_dataset=Noise(count=14))
        trainer.train()
        found.append(losses(trainer))
    assert found[0] == found[1]


def test_a_trainer_of_ones_own(tmp_path: Path) -> None:
    class Own(Trainer):
        def compute_loss(self, *args, **kwargs):
            self.seen = True
            return super().compute_loss(*args, **kwargs)

    class Both(ToMeTrainer, Own):
        pass

    trainer = Both(apply_tome(SMALL_VIT.build(), r=4), arguments(tmp_path, 1), train_dataset=Noise())
    trainer.train()
    assert trainer.seen
    assert trainer.state.log_history[0]["tome_r"] == 4


def test_a_model_that_is_not_patched_is_refused_before_the_first_step(tmp_path: Path) -> None:
    trainer = ToMeTrainer(SMALL_VIT.build(), arguments(tmp_path), train_dataset=Noise())
    with pytest.raises(NotPatchedError, match="apply_tome") as caught:
        trainer.train()
    assert isinstance(caught.value, ToMeError)
    assert trainer.state.global_step == 0


def test_the_model_card_holds_the_settings_once(tmp_path: Path) -> None:
    model = apply_tome(SMALL_VIT.build(), r=[4, 3])
    trainer = ToMeTrainer(model, arguments(tmp_path, 1), train_dataset=Noise())
    trainer.train()
    trainer.create_model_card(tags=["mine"], dataset="noise")
    apply_tome(model, r=2, prop_attn=False)
    trainer.create_model_card(tags=["mine"])
    card = ModelCard.load(tmp_path / "README.md")
    assert card.text.count("## Token merging") == 1
    assert "r = 2, prop_attn = False, restore = True" in card.text
    assert f'model = ViTForImageClassification.from_pretrained("{tmp_path.name}")' in card.text
    assert {"mine", "token-merging"} <= set(card.data.tags or [])
