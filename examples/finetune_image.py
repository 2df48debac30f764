"""Fine-tune an image classifier with token merging.

    python examples/finetune_image.py --model google/vit-base-patch16-224-in21k --data FOLDER --r 13 --bf16

`--model` is any ViT or DeiT, or a ViTMAE checkpoint; `--data` a folder (FOLDER/train/CLASS/IMAGE) or a data set of the
hub (`--label_column` names its classes). A folder animals+food holds images of both classes: then each class has a
score of its own, and the metric is mAP. All of transformers' TrainingArguments are options too: --bf16,
--gradient_checkpointing, --report_to tensorboard.
`--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_image.py ...; the dashes keep `--r` from torchrun.
`--tiny` trains a small model on images inside the package, offline, in under a minute.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

from finetuning import DEFAULTS, PROBLEM, best_by, entry, metrics, parse_r, run
from transformers import (
    HfArgumentParser,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
    set_seed,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # the other needs torchvision

from hf_tome.data.embedded import CLASSES, embedded_images, embedded_processor
from hf_tome.data.media import Media
from hf_tome.train import ToMeCallback, ToMeTrainer
from hf_tome.train.augment import Pictures
from hf_tome.train.files import LabelledFiles, has_several, load_files, readable
from hf_tome.train.pretrained import classifier, merge_for_training

TINY = {"r": "8", "num_train_epochs": 10, "per_device_train_batch_size": 32, "learning_rate": 2e-3, "use_cpu": True}


@dataclass
class Arguments:
    """What to train, on what, and how to merge."""

    model: str = field(default="google/vit-base-patch16-224-in21k", metadata={"help": "name on the hub, or folder"})
    data: str = field(default="", metadata={"help": "name on the hub, or folder with train/CLASS/IMAGE"})
    label_column: str | None = field(default=None, metadata={"help": "of a data set: where the classes are"})
    r: str = field(default="13", metadata={"help": "tokens merged per layer: 13, a share 0.1, or a list 16,8,0"})
    prop_attn: bool | None = field(default=None, metadata={"help": "proportional attention; default: as saved, or on"})
    r_warmup: float = field(default=0.0, metadata={"help": "share of the training in which r rises from 0"})
    augment: bool = field(default=True, metadata={"help": "random crops and flips"})
    skip_bad_files: bool = field(default=False, metadata={"help": "leave out what cannot be read, and name it"})
    resume: bool = field(default=False, metadata={"help": "go on after the last whole checkpoint in output_dir"})
    tiny: bool = field(default=False, metadata={"help": "small model and data, offline, under a minute"})


def tiny() -> tuple[Any, Any, Media, Media, list[str]]:
    """A small untrained ViT with its processor, and 800 + 200 images of Fashion-MNIST."""
    images, labels = embedded_images()
    media = Media(images, [(label,) for label in labels.tolist()])
    config = ViTConfig(
        image_size=28, patch_size=4, hidden_size=64, num_hidden_layers=4, num_attention_heads=2, intermediate_size=128,
        initializer_range=0.12, id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)},
    )  # fmt: skip
    parts = media.select(range(800)), media.select(range(800, 1000))
    return ViTForImageClassification(config), embedded_processor(), *parts, list(CLASSES)


def main() -> None:
    parser = HfArgumentParser([Arguments, TrainingArguments])  # pyright: ignore
    parser.set_defaults(**DEFAULTS, output_dir="runs/finetune_image")
    parser.set_defaults(**(TINY if "--tiny" in sys.argv else {}))
    args, training = parser.parse_args_into_dataclasses()
    set_seed(training.seed)
    if args.tiny:
        model, processor, train, evaluation, labels = tiny()
    else:
        train, evaluation, labels = load_files(args.data, "image", training.seed, args.label_column)
        kind = PROBLEM[has_several(train, evaluation)]
        model, processor = (
            classifier(args.model, labels, problem_type=kind),
            AutoImageProcessor.from_pretrained(args.model),
        )
    several = has_several(train, evaluation)
    merge_for_training(model, parse_r(args.r), args.prop_attn)

    read = Pictures(processor)
    if args.skip_bad_files:
        train, evaluation = readable(train, read), readable(evaluation, read)
    best_by(training, several)
    seed = training.seed if args.augment else None
    trainer = ToMeTrainer(
        model,
        training,
        train_dataset=LabelledFiles(train, read, len(labels), seed=seed, several=several),
        eval_dataset=LabelledFiles(evaluation, read, len(labels), several=several),
        compute_metrics=metrics(several),
        processing_class=processor,
        callbacks=[ToMeCallback(warmup=args.r_warmup)],
    )
    run(trainer, args.resume, "image-classification", None if args.tiny else args.model)


if __name__ == "__main__":
    entry("finetune_image", main)
