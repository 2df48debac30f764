"""Fine-tune an image classifier with token merging.

    python examples/finetune_image.py --model google/vit-base-patch16-224-in21k --data FOLDER --r 13 --bf16

`--model` is any ViT or DeiT, or a ViTMAE checkpoint; `--data` a folder (FOLDER/train/CLASS/IMAGE) or a data set of the
hub. All of transformers' TrainingArguments are options too: --bf16, --gradient_checkpointing, --report_to tensorboard.
`--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_image.py ...; the dashes keep `--r` from torchrun.
`--tiny` trains a small model on images inside the package, offline, in under a minute.
"""

import sys
from dataclasses import dataclass, field
from typing import Any

from transformers import (
    HfArgumentParser,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
    set_seed,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # the other needs torchvision

from hf_tome import apply_tome
from hf_tome.data.embedded import embedded_images, embedded_processor
from hf_tome.data.fashion import CLASSES
from hf_tome.metrics.accuracy import Accuracy
from hf_tome.train import ToMeCallback, ToMeTrainer
from hf_tome.train.images import LabelledImages, load_images
from hf_tome.train.pretrained import classifier, trained_by_mae
from hf_tome.train.script import DEFAULTS, entry, parse_r, run

TINY = {"r": "8", "num_train_epochs": 10, "per_device_train_batch_size": 32, "learning_rate": 2e-3, "use_cpu": True}


@dataclass
class Arguments:
    """What to train, on what, and how to merge."""

    model: str = field(default="google/vit-base-patch16-224-in21k", metadata={"help": "name on the hub, or folder"})
    data: str = field(default="", metadata={"help": "name on the hub, or folder with train/CLASS/IMAGE"})
    label_column: str | None = field(default=None, metadata={"help": "of a data set: where the classes are"})
    r: str = field(default="13", metadata={"help": "tokens merged per layer: 13, a share 0.1, or a list 16,8,0"})
    prop_attn: bool | None = field(default=None, metadata={"help": "proportional attention; default: the family's"})
    r_warmup: float = field(default=0.0, metadata={"help": "share of the training in which r rises from 0"})
    augment: bool = field(default=True, metadata={"help": "random crops and flips"})
    resume: bool = field(default=False, metadata={"help": "go on after the last whole checkpoint in output_dir"})
    tiny: bool = field(default=False, metadata={"help": "small model and data, offline, under a minute"})


def tiny() -> tuple[Any, Any, Any, list[str], Any]:
    """A small untrained ViT, and 800 + 200 images of Fashion-MNIST."""
    images, classes = embedded_images()
    rows = [{"image": image, "label": int(label)} for image, label in zip(images, classes, strict=True)]
    config = ViTConfig(
        image_size=28, patch_size=4, hidden_size=64, num_hidden_layers=4, num_attention_heads=2, intermediate_size=128,
        initializer_range=0.12, id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)},
    )  # fmt: skip
    return ViTForImageClassification(config), rows[:800], rows[800:], list(CLASSES), embedded_processor()


def metrics(predicted: Any) -> dict[str, Any]:
    return (
        Accuracy(keep_in_memory=True).compute(predictions=predicted.predictions, references=predicted.label_ids) or {}
    )


def main() -> None:
    parser = HfArgumentParser([Arguments, TrainingArguments])  # pyright: ignore
    parser.set_defaults(**DEFAULTS, output_dir="runs/finetune_image", metric_for_best_model="accuracy")
    parser.set_defaults(**(TINY if "--tiny" in sys.argv else {}))
    args, training = parser.parse_args_into_dataclasses()
    set_seed(training.seed)
    prop_attn = args.prop_attn
    if args.tiny:
        model, train, evaluation, _, processor = tiny()
    else:
        train, evaluation, labels = load_images(args.data, training.seed, args.label_column)
        model, processor = classifier(args.model, labels), AutoImageProcessor.from_pretrained(args.model)
        prop_attn = False if prop_attn is None and trained_by_mae(args.model) else prop_attn
    apply_tome(model, r=parse_r(args.r), prop_attn=prop_attn)

    trainer = ToMeTrainer(
        model,
        training,
        train_dataset=LabelledImages(train, processor, training.seed if args.augment else None),
        eval_dataset=LabelledImages(evaluation, processor),
        compute_metrics=metrics,
        processing_class=processor,
        callbacks=[ToMeCallback(warmup=args.r_warmup)],
    )
    run(trainer, args.resume, "image-classification", None if args.tiny else args.model)


if __name__ == "__main__":
    entry("finetune_image", main)
