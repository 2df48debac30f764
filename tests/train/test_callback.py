"""ToMeCallback: r over the steps, its numbers in the log, and what it refuses before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT
from training import Noise, Stop, arguments
from transformers import Trainer, TrainerCallback

from hf_tome import NotPatchedError, ToMeError, ToMeTypeError, ToMeValueError, apply_tome, remove_tome, trace_tome
from hf_tome.train import ToMeCallback, ToMeTrainer, add_tome_to_card
from hf_tome.train.warmup import WarmUp

TOKENS = SMALL_VIT.tokens


def logged(trainer: Trainer, key: str) -> list[Any]:
    return [entry.get(key) for entry in trainer.state.log_history if "loss" in entry]


def train(folder: Path, callback: ToMeCallback, steps: int = 4, r: Any = 4, **settings: Any) -> ToMeTrainer:
    model = apply_tome(SMALL_VIT.build(), r=r)
    trainer = ToMeTrainer(model, arguments(folder, steps, **settings), train_dataset=Noise(), callbacks=[callback])
    trainer.train()
    return trainer


@pytest.mark.parametrize(
    ("r", "start", "expected"),
    [
        (8, 0, [0, 2, 4, 6, 8, 8]),
        (8, 4, [4, 5, 6, 7, 8, 8]),
        (2, 6, [6, 5, 4, 3, 2, 2]),
        (0.4, 0, [0, 0.1, 0.2, 0.3, 0.4, 0.4]),
        (0.4, 0.2, [0.2, 0.25, 0.3, 0.35, 0.4, 0.4]),
        ((8, -0.5), 0, [(0, -0.5), (2, -0.5), (4, -0.5), (6, -0.5), (8, -0.5), (8, -0.5)]),
        ([8, 4], 0, [[0, 0], [2, 1], [4, 2], [6, 3], [8, 4], [8, 4]]),
    ],
)
@pytest.mark.parametrize("length", [4, 0.5])
def test_r_rises_to_its_end(r: Any, start: Any, expected: list, length: Any) -> None:
    steps = [0, 1, 2, 3, 4, 7]
    found = [WarmUp(length, start).at(step, 8, r) for step in steps]
    assert torch.utils._pytree.tree_map(lambda n: pytest.approx(n), expected) == found
    assert found[-1] is r


def test_without_warmup_r_is_there_at_once() -> None:
    assert WarmUp().at(0, 100, 8) == 8
    assert WarmUp(0.0).at(0, 100, 8) == 8


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"r": -1}, ToMeValueError),
        ({"r": "8"}, ToMeTypeError),
        ({"warmup": -1}, ToMeValueError),
        ({"warmup": 1.5}, ToMeValueError),
        ({"warmup": float("nan")}, ToMeValueError),
        ({"warmup": True}, ToMeTypeError),
        ({"warmup": "long"}, ToMeTypeError),
        ({"r_start": -2}, ToMeValueError),
        ({"r_start": [1]}, ToMeValueError),
        ({"r_start": None}, ToMeTypeError),
        ({"r": 4, "r_start": 0.2}, ToMeValueError),
    ],
)
def test_wrong_settings_are_refused(arguments: dict[str, Any], kind: type[ToMeError]) -> None:
    with pytest.raises(kind, match="Got: "):
        ToMeCallback(**arguments)


def test_what_does_not_fit_the_model_is_refused_before_the_first_step(tmp_path: Path) -> None:
    for callback, r in ((ToMeCallback(r=[1] * 9), 4), (ToMeCallback(r_start=0.5), 4)):
        with pytest.raises(ToMeValueError):
            train(tmp_path, callback, r=r)
    with pytest.raises(ToMeTypeError, match="Trainer"):
        ToMeCallback().attach(SMALL_VIT.build())  # pyright: ignore


def test_plain_trainer_and_a_model_that_is_not_patched(tmp_path: Path) -> None:
    model = remove_tome(apply_tome(SMALL_VIT.build(), r=4))
    trainer = Trainer(model, arguments(tmp_path), train_dataset=Noise(), callbacks=[ToMeCallback()])
    with pytest.raises(NotPatchedError, match=r"ToMeTrainer.* apply_tome was not called.*before the Trainer is made"):
        trainer.train()
    with pytest.raises(NotPatchedError):
        add_tome_to_card(tmp_path / "README.md", model)


def test_the_log_tells_r_and_tokens(tmp_path: Path) -> None:
    """A later `trace_tome` sees its own forwards alone, and the model can be made plain again."""
    trainer = train(tmp_path, ToMeCallback(warmup=2, r_start=1), steps=4, r=3)
    assert logged(trainer, "tome_r") == [1, 2, 3, 3]
    for layer in range(5):
        expected = [TOKENS - layer * r for r in (1, 2, 3, 3)]
        assert logged(trainer, f"tome_tokens_{layer}") == expected
    with trace_tome(trainer.model) as trace, torch.no_grad():  # pyright: ignore
        trainer.model(**SMALL_VIT.inputs())  # pyright: ignore
    assert trace.token_counts[-1] == TOKENS - 12
    assert trainer.model.config.tome["r"] == 3  # pyright: ignore
    assert not hasattr(remove_tome(trainer.model).config, "tome")  # pyright: ignore


def test_videos_and_logs_by_epoch(tmp_path: Path) -> None:
    model = apply_tome(SMALL_VIDEO.build(), r=(4, -1.0))
    wanted = arguments(tmp_path, -1, num_train_epochs=2, logging_strategy="epoch", gradient_accumulation_steps=2)
    trainer = ToMeTrainer(model, wanted, train_dataset=Noise(SMALL_VIDEO))
    trainer.train()
    assert logged(trainer, "tome_r") == [4, 4]
    assert logged(trainer, "tome_tokens_0") == [SMALL_VIDEO.tokens] * 2
    assert logged(trainer, "tome_tokens_4")[0] < SMALL_VIDEO.tokens


@pytest.mark.parametrize(("r", "number"), [(0.25, 0.25), ([4, 2, 0, 2], 2)])
def test_r_is_logged_as_a_number(r: Any, number: float, tmp_path: Path) -> None:
    assert logged(train(tmp_path, ToMeCallback(), steps=1, r=r), "tome_r") == [number]


class Clock:
    """Stands in for the module `time`: it stands still but for what a test says takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_time_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four steps of four samples: 0.02 s each to read, 0.12 s more for a step; evaluation counts nowhere."""
    clock = Clock()
    monkeypatch.setattr("hf_tome.train.clock.time", clock)

    class SlowNoise(Noise):
        def __getitem__(self, index: int) -> dict:
            clock.now += 0.02
            return super().__getitem__(index)

    class SlowStep(TrainerCallback):
        def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
            clock.now += 0.12

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            control.should_evaluate = True

    class SlowEvaluation(ToMeTrainer):
        def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
            clock.now += 5
            self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, {})
            return {}

    model, wanted = apply_tome(SMALL_VIT.build(), r=4), arguments(tmp_path, 4, logging_steps=4)
    trainer = SlowEvaluation(model, wanted, train_dataset=SlowNoise(), callbacks=[SlowStep()])
    with pytest.warns(UserWarning, match=r"40% of the time of training waits for data.*dataloader_num_workers \(0 now"):
        trainer.train()
    assert logged(trainer, "data_wait") == pytest.approx([0.08 / 0.2])
    assert logged(trainer, "samples_per_second") == pytest.approx([4 / 0.2])
    assert logged(trainer, "tokens_per_second") == pytest.approx([4 / 0.2 * TOKENS])


def test_tensorboard_holds_the_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ToMeTrainer, and with a plain Trainer by `attach`."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for kind in ("ours", "plain"):
        monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / kind))
        model, wanted = apply_tome(SMALL_VIT.build(), r=4), arguments(tmp_path, 3, report_to="tensorboard")
        callback = ToMeCallback(warmup=2)
        if kind == "ours":
            trainer: Trainer = ToMeTrainer(model, wanted, train_dataset=Noise(), callbacks=[callback])
        else:
            trainer = Trainer(model, wanted, train_dataset=Noise())
            callback.attach(trainer)
        trainer.train()
        events = EventAccumulator(str(tmp_path / kind))
        events.Reload()
        assert [event.value for event in events.Scalars("train/tome_r")] == [0, 2, 4]
        assert [event.value for event in events.Scalars("train/tome_tokens_4")] == [TOKENS, TOKENS - 8, TOKENS - 16]
        for key in ("tokens_per_second", "samples_per_second", "data_wait"):
            assert len(events.Scalars(f"train/{key}")) == 3


def test_a_warmup_goes_on_after_a_break(tmp_path: Path) -> None:
    """On resume r follows the step; a second `train` of the same trainer starts again, with the old goal."""
    callback = ToMeCallback(warmup=4)
    saving = {"save_strategy": "steps", "save_steps": 2}
    model = apply_tome(SMALL_VIT.build(), r=4)
    wanted = arguments(tmp_path, 6, **saving)
    ToMeTrainer(model, wanted, train_dataset=Noise(), callbacks=[callback, Stop(2)]).train()
    assert model.config.tome["r"] == 1
    second = ToMeTrainer(model, wanted, train_dataset=Noise(), callbacks=[callback])
    second.train(resume_from_checkpoint=True)
    assert logged(second, "tome_r")[2:] == [2, 3, 4, 4]
    assert model.config.tome["r"] == 4
