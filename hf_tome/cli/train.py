"""`hf-tome train`: fine-tune a classifier of images, sounds or clips with merging, on your data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hf_tome.errors import extra

if TYPE_CHECKING:
    from hf_tome.train.options import Parser

GROUPS = {  # what --help shows; the rest is behind --help-all
    "Model and data": ("model", "data", "label_column", "split", "max_train_samples", "validation_fraction",
                       "skip_bad_files"),
    "Merging": ("r", "prop_attn", "r_warmup"),
    "What is trained": ("freeze_backbone", "lora"),
    "Variation": ("augment", "rand_augment", "mixup", "time_mask", "mel_mask", "speed", "seconds"),
    "Evaluation": ("eval_clips", "eval_crops"),
    "Training": ("num_train_epochs", "learning_rate", "per_device_train_batch_size", "bf16", "gradient_checkpointing",
                 "dataloader_num_workers", "report_to", "seed", "output_dir", "resume"),
}  # fmt: skip
SHORT = {  # where transformers takes a paragraph
    "num_train_epochs": "Times over the data; 0 evaluates only.",
    "learning_rate": "The highest.",
    "per_device_train_batch_size": "Samples a step, on each device.",
    "bf16": "Compute in bfloat16.",
    "gradient_checkpointing": "Less memory for more time.",
    "dataloader_num_workers": "Processes that read ahead.",
    "report_to": "tensorboard, wandb, ...",
    "seed": "Of all that is random.",
    "output_dir": "For model and metrics.",
}
ABOUT = """\
[bold]hf-tome train[/] --model NAME --data FOLDER [dim][OPTIONS][/]

Fine-tune a classifier with token merging. The model says what is read: images,
sounds or clips. Options of transformers' TrainingArguments work too: [bold]--help-all[/]"""


def train(context: typer.Context) -> None:
    """Fine-tune a classifier of images, sounds or clips with merging, on your data."""
    with extra("train", "train a model"):
        import accelerate  # noqa: F401

        from hf_tome.train.finetune import finetune
        from hf_tome.train.options import Parser
        from hf_tome.train.run import leave
    parser = Parser("hf-tome-train")
    if "--help-all" in context.args:
        print(parser.format_help())
    elif "--help" in context.args or not context.args:
        _help(parser)
    else:
        finetune(*parser.read(context.args))
        leave()


def _help(parser: Parser) -> None:
    """The options that matter most, in groups, on one screen."""
    actions: dict[str, Any] = {action.dest: action for action in reversed(parser._actions)}  # not --no_augment
    console = Console()
    console.print(ABOUT, "", highlight=False)
    for title, names in GROUPS.items():
        table = Table(
            title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False
        )
        table.add_column(min_width=30, no_wrap=True)
        for name in names:
            action = actions[name]
            default = "" if action.default in (None, "", False, 0) else f" [{action.default}]"
            table.add_row(f"--{name.replace('_', '-')}", Text(SHORT.get(name) or action.help).append(default, "dim"))
        console.print(table)
