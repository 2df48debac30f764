"""r over the steps of a training, and what merging does to it, in the Trainer's own log."""

from __future__ import annotations

import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from hf_tome.api import apply_tome, is_merged
from hf_tome.core.schedule import Schedule
from hf_tome.errors import NotPatchedError, ToMeTypeError, complaint
from hf_tome.measure.row import Row
from hf_tome.trace import Trace, trace_tome
from hf_tome.train.card import settings_of
from hf_tome.train.clock import StepClock
from hf_tome.train.warmup import WarmUp

if TYPE_CHECKING:
    from hf_tome.config import ToMeConfig

MOST_WAIT = 0.3  # share of the time; merging gains little where the data take more


class ToMeCallback(TrainerCallback):
    """Raises r over the first steps of a training, and logs what merging does.

    With `ToMeTrainer`, pass it in `callbacks` (without one, it brings its own). With a plain Trainer:
    `ToMeCallback(warmup=0.2).attach(trainer)`.

    Each entry of the training log gains, since the entry before:
        tome_r: tokens merged per layer, as r says (a list: their mean; a pair: its first number; a share: the share).
        tome_tokens_0, ..., tome_tokens_L: tokens entering layer 0, ..., leaving layer L-1, in one forward.
        samples_per_second, tokens_per_second: samples, and tokens entering the first layer, of all processes together.
            A last batch that is not full counts as a full one.
        data_wait: share of the time, 0 to 1, in which this process waited for data. Evaluating and saving are no part
            of the time. Above 0.3 there is a warning, once.
        tome_speedup: of a training step against r = 0, where `tell` was called.

    r depends on the step alone, so that a resumed training goes on where it was. Evaluation runs with the r of its
    step, and a checkpoint holds it.

    Args:
        r: r after the warm-up, as in `apply_tome`. Left out: that which the model is patched with.
        warmup: steps in which r rises linearly from `r_start` (int), or the share of all steps (float in [0, 1]).
        r_start: r at the first step, in every layer. A float where r is one too.

    Raises:
        ToMeTypeError, ToMeValueError: if one of them is not as said here.
    """

    def __init__(self, r: Any = None, *, warmup: int | float = 0, r_start: int | float = 0) -> None:
        self.r, self.warmup = r, WarmUp(warmup, r_start)
        if r is not None:
            self.warmup.check(r)
        self.final: ToMeConfig | None = None  # the settings after the warm-up
        self.now: ToMeConfig | None = None  # those that the model was given last
        self.clock = StepClock()
        self.stack = ExitStack()
        self.trace: Trace | None = None
        self.tokens: list[int] = []
        self.epoch_begins, self.warned = True, False
        self.gain: Row | None = None  # of a step, measured before

    def attach(self, trainer: Trainer) -> None:
        """Give the callback to `trainer`, ahead of those that report to TensorBoard and others.

        Those in `Trainer(callbacks=...)` come last: what they add to a log is seen in the printed log and in
        `trainer_state.json` only.

        Raises:
            ToMeTypeError: if `trainer` is no Trainer.
        """
        if not isinstance(trainer, Trainer):
            rule = "attach takes a Trainer of transformers."
            raise ToMeTypeError(complaint(rule, type(trainer).__name__, "Call attach(trainer) before trainer.train()."))
        trainer.callback_handler.callbacks.insert(0, self)

    def tell(self, gain: Row | None) -> None:
        """Log what a step gains by merging, where that was measured."""
        self.gain = gain

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, *, model: nn.Module, **_: Any) -> None:
        """Check everything before the first step.

        Raises:
            NotPatchedError: if the model is not patched.
            ToMeValueError: if r does not fit the model.
        """
        if not is_merged(model):
            rule = "A training with ToMeTrainer or ToMeCallback merges tokens."
            got = f"a {type(model).__name__} on which apply_tome was not called"
            cure = "Call apply_tome(model, r=16) before the Trainer is made; r=0 trains without merging."
            raise NotPatchedError(complaint(rule, got, cure))
        settings = settings_of(model)
        if self.final is None or settings != self.now:  # else a warm-up was broken off, and the old goal holds
            self.final = settings if self.r is None else settings.replace(r=self.r)
        self.warmup.check(self.final.r)
        apply_tome(model, config=self.final)  # refuses an r that does not fit
        self.now = self.final
        self._set_r(model, state)
        self.clock, self.epoch_begins = StepClock(), True

    def _set_r(self, model: nn.Module, state: TrainerState) -> None:
        assert self.final is not None
        wanted = self.final.replace(r=self.warmup.at(state.global_step, state.max_steps, self.final.r))
        if wanted != self.now:
            apply_tome(model, config=wanted)
            self.now = wanted

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.epoch_begins = True

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: nn.Module, **_: Any
    ) -> None:
        self.clock.step_begins()
        self._set_r(model, state)
        due = args.logging_strategy == IntervalStrategy.STEPS and (state.global_step + 1) % state.logging_steps == 0
        if due or self.epoch_begins:  # a log at the end of an epoch tells of its first step
            self.stack.close()
            self.trace = self.stack.enter_context(trace_tome(model))
        self.epoch_begins = False

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.clock.step_ends()
        self.stack.close()
        if self.trace:
            self.tokens = self.trace[0].token_counts
        self.trace = None

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        self.clock.lap()

    on_save = on_evaluate

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        if logs is None or "loss" not in logs or not self.clock.steps:
            return
        samples = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        found: dict[str, Any] = self.clock.read(samples)
        if found["data_wait"] > MOST_WAIT and not self.warned:
            self.warned = True
            text = f"{found['data_wait']:.0%} of the time of training waits for data, which merging cannot make faster."
            warnings.warn(f"{text} More dataloader_num_workers ({args.dataloader_num_workers} now) help.", stacklevel=2)
        if self.gain is not None:
            found["tome_speedup"] = self.gain.speedup
        if self.now is not None:
            found["tome_r"] = _as_number(self.now.schedule)
        if self.tokens:
            found["tokens_per_second"] = found["samples_per_second"] * self.tokens[0]
            found |= {f"tome_tokens_{layer}": count for layer, count in enumerate(self.tokens)}
        logs.update(found)
        state.log_history[-1].update(found)  # the Trainer has copied the entry there already


def _as_number(schedule: Schedule) -> float:
    """r as one number, for a curve."""
    if schedule.kind == "inflected":
        return schedule.r[0]
    return sum(schedule.r) / max(1, len(schedule.r)) if schedule.kind == "list" else schedule.r
