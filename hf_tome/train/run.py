"""A training from its first step to the saved model, and how a script or command ends."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from transformers import set_seed

from hf_tome.api import apply_tome
from hf_tome.data.encoder import fitting
from hf_tome.errors import ToMeError
from hf_tome.measure.compare import time_rounds
from hf_tome.measure.row import Row, pair
from hf_tome.trace import trace_tome
from hf_tome.train.callback import ToMeCallback
from hf_tome.train.card import settings_of
from hf_tome.train.checkpoint import last_checkpoint
from hf_tome.train.trainer import ToMeTrainer

ROUNDS = 3  # of a step, to measure what merging gains
# what torch puts before an error of a worker that loads data
TRACEBACK = re.compile(r"^Caught .*\nhf_tome\.errors\.\w+: ", re.DOTALL)


def run(trainer: ToMeTrainer, resume: bool = False) -> None:
    """Train, evaluate, save, and print what merging gained; `resume` goes on after the last whole checkpoint.

    Raises:
        ToMeError: if a file cannot be read.
        SystemExit: after Ctrl-C, with code 130.
    """
    try:
        _run(trainer, resume)
    except ToMeError as error:
        raise type(error)(TRACEBACK.sub("", str(error)).strip()) from error
    except KeyboardInterrupt:
        kept, steps = last_checkpoint(str(trainer.args.output_dir)), trainer.state
        none = "No checkpoint was written yet: --save_strategy steps --save_steps 100 writes them more often."
        way = f"The same command with --resume goes on from {kept}." if kept else none
        print(f"\nInterrupted after {steps.global_step} of {steps.max_steps} steps. {way}")
        raise SystemExit(130) from None


def _run(trainer: ToMeTrainer, resume: bool) -> None:
    args, gain = trainer.args, None
    if args.num_train_epochs > 0 or args.max_steps > 0:
        callback: Any = next(each for each in trainer.callback_handler.callbacks if isinstance(each, ToMeCallback))
        gain = measured_gain(trainer)
        callback.tell(gain)
        done = trainer.train(resume_from_checkpoint=last_checkpoint(str(args.output_dir)) if resume else None)
        trainer.log_metrics("train", done.metrics)
        trainer.save_metrics("train", done.metrics)
    trainer.merge_adapters()
    found = trainer.evaluate()
    trainer.log_metrics("eval", found)
    trainer.save_metrics("eval", found)
    trainer.save_model()
    if trainer.is_world_process_zero():
        _close(trainer, gain)


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


def _close(trainer: ToMeTrainer, gain: Row | None) -> None:
    """Print what merging did to the training, and where the model is."""
    model: Any = trainer.model
    r, folder = settings_of(model).r, trainer.args.output_dir
    if gain is not None:
        tokens = f"{gain.token_counts[0]} tokens, {gain.token_counts[-1]} left"
        how = "measured on one batch before the training"
        print(f"r={r}: {tokens}. A step is {gain.speedup:.2f}x as fast as with r=0 ({how}).")
    print(f"Model: {folder}. What other r give: hf-tome eval --model {folder} --data FOLDER --r {shlex.quote(str(r))}")


def script(name: str, main: Callable[[], object]) -> None:
    """Call `main`; a ToMeError ends the script with one line, `name: error`, and no traceback."""
    try:
        main()
    except ToMeError as error:
        sys.exit(f"{name}: {error}")
    leave()


def leave() -> None:
    """End a process of several: the clean-up of DDP's reducer can wait for ever under gloo."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        sys.stdout.flush()
        os._exit(0)
