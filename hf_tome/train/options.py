"""The options of `hf-tome train` and of the example scripts: our own, beside all of transformers'."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from transformers import HfArgumentParser, TrainingArguments

from hf_tome.errors import ToMeError, ToMeValueError, complaint

DEFAULTS = {
    "remove_unused_columns": False, "eval_strategy": "epoch", "save_strategy": "epoch", "save_total_limit": 2,
    "load_best_model_at_end": True, "report_to": "none", "learning_rate": 5e-5, "warmup_steps": 0.1,
    "logging_steps": 20, "metric_for_best_model": "accuracy",
}  # fmt: skip


LEAST = {"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1, "learning_rate": 0.0, "seed": 0}


def option(default: Any, text: str) -> Any:
    """A field with its help."""
    return field(default=default, metadata={"help": text})


@dataclass
class Options:
    """What to train, on what, and how to merge."""

    model: str = option("", "Hub name or folder; a head that fits is kept.")
    data: str = option("", "Folder with train/CLASS/FILE, or hub name.")
    split: str | None = option(None, "To train on. Default: train.")
    media_column: str | None = option(None, "Of a data set: where the media are.")
    label_column: str | None = option(None, "Of a data set: where the classes are.")
    validation_fraction: float = option(0.1, "Set apart, where there is no validation split.")
    streaming: bool = option(False, "Do not download a data set of the hub.")
    max_train_samples: int | None = option(None, "Train on so many, drawn at random.")
    skip_bad_files: bool = option(False, "Leave out what cannot be read or has no label.")
    r: str | None = option(None, "16, 0.1, '(16, -1.0)', or by layer '[16,8,0]'.")
    prop_attn: bool | None = option(None, "Proportional attention. Default: as saved.")
    r_warmup: float = option(0.0, "Share of the training in which r rises from 0.")
    freeze_backbone: bool = option(False, "Train the head alone.")
    lora: int = option(0, "Train adapters of this rank, and the head.")
    augment: bool = option(True, "Images, clips: random crops.")
    rand_augment: int = option(0, "Images: RandAugment of this strength, 1 to 10.")
    mixup: float = option(0.0, "Share of the samples blended with another one.")
    time_mask: float = option(0.2, "Sounds: most time that is masked.")
    mel_mask: float = option(0.2, "Sounds: most mel bins that are masked.")
    speed: float = option(0.0, "Sounds: a third faster, a third slower by this share.")
    seconds: float = option(10.0, "wav2vec 2.0 and kin: length of sounds.")
    eval_clips: int = option(1, "Clips of each video to average over.")
    eval_crops: int = option(1, "Squares of each clip to average over.")
    resume: bool = option(False, "Go on after the last whole checkpoint.")


@contextmanager
def fitting_together() -> Iterator[None]:
    """Around what transformers makes of the options: what it refuses, lacks or cannot reach is told.

    Raises:
        ToMeValueError: in place of its own errors.
    """
    try:
        yield
    except ToMeError:
        raise
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        rule = "Options of a training must fit together, and this machine."
        raise ToMeValueError(complaint(rule, reason, "Change one of them.")) from error


class Parser(HfArgumentParser):
    """Reads `Options` and `TrainingArguments`, with other defaults; what is wrong is a ToMeValueError."""

    def __init__(self, output_dir: str, **defaults: Any) -> None:
        super().__init__([Options, TrainingArguments], add_help=False, allow_abbrev=False)  # pyright: ignore
        self.set_defaults(**{**DEFAULTS, "output_dir": output_dir, **defaults})

    def error(self, message: str) -> NoReturn:
        """Called by argparse, which would print two hundred options."""
        raise ToMeValueError(complaint("An option takes a value of its kind.", message, "`--help` shows each."))

    def read(self, arguments: Sequence[str]) -> tuple[Options, TrainingArguments]:
        """Parse the arguments of a command. Raises ToMeValueError where one is unknown, wrong, or refused by
        transformers."""
        with fitting_together():
            options, training, unknown = self.parse_args_into_dataclasses(
                [*arguments], return_remaining_strings=True, look_for_args_file=False
            )
        if unknown:
            known = [action.dest for action in self._actions]
            near = difflib.get_close_matches(unknown[0].replace("-", "_"), known, 1)
            cure = f"Is --{near[0]} meant? " if near else ""
            raise ToMeValueError(complaint("Every option is known.", " ".join(unknown), f"{cure}`--help` lists them."))
        for name, least in LEAST.items():
            if getattr(training, name) < least:
                got, cure = str(getattr(training, name)), "Leave it out for the usual value."
                raise ToMeValueError(complaint(f"--{name} is at least {least}.", got, cure))
        return options, training
