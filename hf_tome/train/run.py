"""A training from its first step to the saved model, and how a script or command ends."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from typing import Any

import torch

from hf_tome.errors import ToMeError
from hf_tome.measure.row import Row
from hf_tome.train.callback import ToMeCallback
from hf_tome.train.card import settings_of
from hf_tome.train.checkpoint import last_checkpoint
from hf_tome.train.gain import measured_gain
from hf_tome.train.trainer import ToMeTrainer

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
