"""A training in a process of its own, or in several: `python child.py ORDER.json`, also under torchrun.

The order says where to write, the settings of the training, and what to do besides:
    folder: where checkpoints and `losses.json` go.
    r, warmup: as in ToMeCallback.
    settings: for TrainingArguments.
    model: settings of the model's config.
    kill_at: kill this process with SIGKILL in the middle of that step.
    resume: go on after the last whole checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from cases import SMALL_VIT
from training import Noise, arguments, losses
from transformers import TrainerCallback

from hf_tome import apply_tome
from hf_tome.train import ToMeCallback, ToMeTrainer, last_checkpoint


class Kill(TrainerCallback):
    """kill -9, with the gradients of a step done and its update not."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def accuracy(predicted: Any) -> dict[str, float]:
    return {"accuracy": float((predicted.predictions.argmax(-1) == predicted.label_ids).mean())}


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Train as the order says. Gives the loss of each step, the final metrics, and how many tokens were left."""
    folder = Path(order["folder"])
    torch.set_num_threads(1)
    trainer = ToMeTrainer(
        apply_tome(SMALL_VIT.build(**order.get("model", {})), r=order.get("r", 4)),
        arguments(folder, order.get("steps", 5), **order.get("settings", {})),
        train_dataset=Noise(several=order.get("several", False)),
        eval_dataset=Noise(count=order.get("evaluated", 11)),  # no multiple of the batch
        compute_metrics=accuracy,
        callbacks=[
            ToMeCallback(warmup=order.get("warmup", 0)),
            *([Kill(order["kill_at"])] if "kill_at" in order else []),
        ],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(folder) if order.get("resume") else None)
    metrics = {} if order.get("several") else trainer.evaluate()
    return {
        "losses": losses(trainer),
        "metrics": {key: metrics[key] for key in ("eval_loss", "eval_accuracy") if key in metrics},
        "tokens": [entry["tome_tokens_4"] for entry in trainer.state.log_history if "loss" in entry],
        "processes": trainer.args.world_size,
    }


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    found = run(order)
    if int(os.environ.get("RANK", 0)) == 0:
        Path(order["folder"], "found.json").write_text(json.dumps(found))
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        sys.stderr.flush()
        os._exit(0)  # the reducer's clean-up can wait for ever, see tests of distributed training


if __name__ == "__main__":
    main()
