"""Fine-tune a VideoMAE with token merging on videos.

    python examples/finetune_video.py --model MCG-NJU/videomae-base --data FOLDER --r 65 --dataloader_num_workers 8

`--data` is FOLDER/train/CLASS/FILE with FOLDER/test/CLASS/FILE, or FOLDER/CLASS/FILE, of which a tenth is held out, or
a data set of the hub (`--label_column` names its classes). A folder fall+jump holds videos of both classes: then each
class has a score of its own, and the metric is mAP. `--model` is any VideoMAE, a checkpoint of its pre-training too.
All of transformers' TrainingArguments are options.
`--eval_clips 5 --eval_crops 3` averages over views as the video papers do. The log tells the share of time that waits
for data (data_wait): more workers bring it down. `--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_video.py ...; the dashes keep `--r` from torchrun.
`--tiny` makes clips and trains a small model, offline, in under a minute.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.moving_sprites import write_clips
from finetuning import DEFAULTS, PROBLEM, best_by, entry, metrics, parse_r, run
from transformers import (
    HfArgumentParser,
    TrainingArguments,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessorPil,
    set_seed,
)
from transformers.models.auto.image_processing_auto import AutoImageProcessor  # the other needs torchvision

from hf_tome.data.embedded import embedded_images
from hf_tome.train import ToMeCallback, ToMeTrainer
from hf_tome.train.augment import Clips
from hf_tome.train.files import LabelledFiles, has_several, load_files, readable
from hf_tome.train.pretrained import classifier, merge_for_training

TINY = {"r": "6", "num_train_epochs": 12, "per_device_train_batch_size": 16, "learning_rate": 2e-3, "use_cpu": True}
SIDE, FRAMES = 32, 8


@dataclass
class Arguments:
    """What to train, on what, and how to merge."""

    model: str = field(default="MCG-NJU/videomae-base", metadata={"help": "name on the hub, or folder"})
    data: str = field(default="", metadata={"help": "folder with train/CLASS/FILE, or data set of the hub"})
    label_column: str | None = field(default=None, metadata={"help": "of a data set: where the classes are"})
    r: str = field(default="65", metadata={"help": "tokens merged per layer: 65, a share 0.08, or a list 90,60,0"})
    prop_attn: bool | None = field(default=None, metadata={"help": "proportional attention; default: off"})
    r_warmup: float = field(default=0.0, metadata={"help": "share of the training in which r rises from 0"})
    augment: bool = field(default=True, metadata={"help": "random squares and frames"})
    eval_clips: int = field(default=1, metadata={"help": "clips of each video to average over"})
    eval_crops: int = field(default=1, metadata={"help": "squares of each clip to average over"})
    skip_bad_files: bool = field(default=False, metadata={"help": "leave out what cannot be read, and name it"})
    resume: bool = field(default=False, metadata={"help": "go on after the last whole checkpoint in output_dir"})
    tiny: bool = field(default=False, metadata={"help": "small model and data, offline, under a minute"})


def tiny(folder: Path) -> tuple[Any, Any]:
    """A small untrained VideoMAE with its processor; clips of moving pictures are written into `folder`."""
    images, half = embedded_images()[0], 500
    small = [image.resize((SIDE // 2, SIDE // 2)) for image in images]
    write_clips(folder, "train", small[:half], 40, 0, FRAMES, SIDE)
    write_clips(folder, "test", small[half:], 12, 1, FRAMES, SIDE)
    config = VideoMAEConfig(
        image_size=SIDE, patch_size=8, num_frames=FRAMES, hidden_size=64, num_hidden_layers=3, num_attention_heads=2,
        intermediate_size=128, num_labels=4, initializer_range=0.12,
    )  # fmt: skip
    size = {"shortest_edge": SIDE}
    return VideoMAEForVideoClassification(config), VideoMAEImageProcessorPil(size=size, crop_size=SIDE)


def main() -> None:
    parser = HfArgumentParser([Arguments, TrainingArguments])  # pyright: ignore
    parser.set_defaults(**DEFAULTS, output_dir="runs/finetune_video")
    parser.set_defaults(**(TINY if "--tiny" in sys.argv else {}))
    args, training = parser.parse_args_into_dataclasses()
    set_seed(training.seed)
    model = processor = None
    if args.tiny:
        args.data = str(Path(training.output_dir) / "clips")
        with training.main_process_first(desc="writing clips"):
            model, processor = tiny(Path(args.data))
    train, evaluation, labels = load_files(args.data, "video", training.seed, args.label_column)
    several = has_several(train, evaluation)
    if model is None:
        model = classifier(args.model, labels, "video", problem_type=PROBLEM[several])
        processor = AutoImageProcessor.from_pretrained(args.model)
    merge_for_training(model, parse_r(args.r), args.prop_attn)

    read = Clips(processor, model.config.num_frames, args.eval_clips, args.eval_crops)
    if args.skip_bad_files:
        train, evaluation = readable(train, read), readable(evaluation, read)

    best_by(training, several)
    seed = training.seed if args.augment else None
    trainer = ToMeTrainer(
        model,
        training,
        train_dataset=LabelledFiles(train, read, len(labels), seed=seed, several=several),
        eval_dataset=LabelledFiles(evaluation, read, len(labels), views=read.views, several=several),
        compute_metrics=metrics(several, read.views),
        processing_class=processor,
        callbacks=[ToMeCallback(warmup=args.r_warmup)],
    )
    run(trainer, args.resume, "video-classification", None if args.tiny else args.model)


if __name__ == "__main__":
    entry("finetune_video", main)
