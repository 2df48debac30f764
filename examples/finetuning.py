"""What the fine-tuning scripts share: r from the command line, metrics, and a training from start to model card."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainingArguments

from hf_tome.errors import ToMeError
from hf_tome.train.checkpoint import last_checkpoint
from hf_tome.train.trainer import ToMeTrainer

DEFAULTS = {
    "remove_unused_columns": False, "eval_strategy": "epoch", "save_strategy": "epoch", "save_total_limit": 2,
    "load_best_model_at_end": True, "report_to": "none", "learning_rate": 5e-5, "warmup_steps": 0.1,
    "logging_steps": 20, "metric_for_best_model": "accuracy",
}  # fmt: skip
PROBLEM = {False: "single_label_classification", True: "multi_label_classification"}  # by: several labels a sample
# what torch puts before an error of a worker that loads data
TRACEBACK = re.compile(r"^Caught .*\nhf_tome\.errors\.\w+: ", re.DOTALL)


def parse_r(text: str) -> Any:
    """r as `apply_tome` takes it: 13, a share 0.1, or a list 16,8,0. `apply_tome` refuses what is no number."""
    try:
        if "," in text:
            return [int(part) for part in text.split(",")]
        return float(text) if "." in text else int(text)
    except ValueError:
        return text


def best_by(training: TrainingArguments, several: bool) -> None:
    """Choose the best weights by mAP instead of accuracy where a sample has several labels."""
    if several and training.metric_for_best_model == "accuracy":
        training.metric_for_best_model = "mAP"


def metrics(several: bool, views: int = 1) -> Callable[[Any], dict[str, Any]]:
    """A Trainer's `compute_metrics`: accuracy, or mean average precision where a sample has several labels.

    Each sample is `views` inputs, one after the other, whose scores are averaged.
    """
    from hf_tome.metrics.accuracy import Accuracy
    from hf_tome.metrics.average_precision import MeanAveragePrecision

    def compute(predicted: Any) -> dict[str, Any]:
        scores = predicted.predictions.reshape(-1, views, predicted.predictions.shape[-1]).mean(1)
        metric = (MeanAveragePrecision if several else Accuracy)(keep_in_memory=True)
        return metric.compute(predictions=scores, references=predicted.label_ids[::views]) or {}

    return compute


def entry(name: str, main: Callable[[], None]) -> None:
    """Call `main`; a ToMeError ends the script with one line, `name: error`, and no traceback."""
    try:
        main()
    except ToMeError as error:
        sys.exit(f"{name}: {TRACEBACK.sub('', str(error)).strip()}")


def run(trainer: ToMeTrainer, resume: bool, task: str, finetuned_from: str | None) -> None:
    """Train, evaluate, and save the model with its card. `--num_train_epochs 0` evaluates only.

    Args:
        trainer: ready to train.
        resume: go on after the last whole checkpoint in the output directory.
        task: as the hub names it, for the card.
        finetuned_from: the checkpoint that the training started from, for the card.
    """
    if trainer.args.num_train_epochs > 0 or trainer.args.max_steps > 0:
        done = trainer.train(resume_from_checkpoint=last_checkpoint(str(trainer.args.output_dir)) if resume else None)
        trainer.log_metrics("train", done.metrics)
        trainer.save_metrics("train", done.metrics)
    found = trainer.evaluate()
    trainer.log_metrics("eval", found)
    trainer.save_metrics("eval", found)
    trainer.save_model()
    trainer.create_model_card(tasks=task, finetuned_from=finetuned_from)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        sys.stdout.flush()
        os._exit(0)  # the clean-up of DDP's reducer can wait for ever under gloo
