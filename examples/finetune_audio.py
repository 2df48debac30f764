"""Fine-tune an Audio Spectrogram Transformer, a Whisper or a wav2vec 2.0 with token merging on sounds.

    python examples/finetune_audio.py --model MIT/ast-finetuned-audioset-10-10-0.4593 --data FOLDER --r 96 --bf16

`--data` is FOLDER/train/CLASS/FILE with FOLDER/test/CLASS/FILE, or FOLDER/CLASS/FILE, of which a tenth is held out, or
a data set of the hub (`--label_column` names its classes). A folder dog+rain holds sounds of both classes: then each
class has a score of its own, and the metric is mAP. `--mixup` blends sounds and asks for the same. All of transformers'
TrainingArguments are options. `--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_audio.py ...; the dashes keep `--r` from torchrun.
`--tiny` makes sounds and trains a small model, offline, in under a minute.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from finetuning import DEFAULTS, PROBLEM, best_by, entry, metrics, parse_r, run
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    AutoFeatureExtractor,
    HfArgumentParser,
    TrainingArguments,
    set_seed,
)

from hf_tome.train import ToMeCallback, ToMeTrainer
from hf_tome.train.augment import Spectrograms, spectrogram_size
from hf_tome.train.files import LabelledFiles, has_several, load_files, readable
from hf_tome.train.pretrained import classifier, merge_for_training

TINY = {"r": "3", "num_train_epochs": 8, "per_device_train_batch_size": 16, "learning_rate": 1e-3, "use_cpu": True}


@dataclass
class Arguments:
    """What to train, on what, and how to merge."""

    model: str = field(default="MIT/ast-finetuned-audioset-10-10-0.4593", metadata={"help": "hub name, or folder"})
    data: str = field(default="", metadata={"help": "folder with train/CLASS/FILE, or data set of the hub"})
    label_column: str | None = field(default=None, metadata={"help": "of a data set: where the classes are"})
    r: str = field(default="96", metadata={"help": "tokens merged per layer: 96, a share 0.08, or a list 120,90,0"})
    prop_attn: bool | None = field(default=None, metadata={"help": "proportional attention; default: as saved, or on"})
    r_warmup: float = field(default=0.0, metadata={"help": "share of the training in which r rises from 0"})
    time_mask: float = field(default=0.2, metadata={"help": "SpecAugment: most of the time that is masked, a share"})
    mel_mask: float = field(default=0.2, metadata={"help": "SpecAugment: most of the mel bins that are masked"})
    speed: float = field(default=0.0, metadata={"help": "play sounds faster or slower by up to this share, e.g. 0.1"})
    seconds: float = field(default=10.0, metadata={"help": "wav2vec 2.0 and kin: sounds are padded or cut to so many"})
    mixup: float = field(default=0.0, metadata={"help": "share of the sounds that are blended with another"})
    skip_bad_files: bool = field(default=False, metadata={"help": "leave out what cannot be read, and name it"})
    resume: bool = field(default=False, metadata={"help": "go on after the last whole checkpoint in output_dir"})
    tiny: bool = field(default=False, metadata={"help": "small model and data, offline, under a minute"})


def tiny(folder: Path, kind: str) -> tuple[Any, Any]:
    """A small untrained AST with its extractor; tones in noise are written into `folder`."""
    chance, rate = np.random.default_rng(0), 8000
    for name, pitch in (("low", 300), ("middle", 900), ("high", 2500)):
        for number in range(60):
            tone = np.sin(2 * np.pi * pitch * chance.uniform(0.8, 1.25) * np.arange(rate // 2) / rate)
            path = folder / ("train" if number < 45 else "test") / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, 0.3 * tone + chance.normal(0, 0.05, rate // 2), rate)
    config = ASTConfig(
        hidden_size=64, num_hidden_layers=3, num_attention_heads=2, intermediate_size=128, patch_size=8,
        frequency_stride=6, time_stride=6, max_length=48, num_mel_bins=32, num_labels=3, initializer_range=0.12,
        problem_type=kind,
    )  # fmt: skip
    return ASTForAudioClassification(config), ASTFeatureExtractor(
        sampling_rate=rate, num_mel_bins=32, max_length=48, mean=0.0, std=1.0
    )


def main() -> None:
    parser = HfArgumentParser([Arguments, TrainingArguments])  # pyright: ignore
    parser.set_defaults(**DEFAULTS, output_dir="runs/finetune_audio")
    parser.set_defaults(**(TINY if "--tiny" in sys.argv else {}))
    args, training = parser.parse_args_into_dataclasses()
    set_seed(training.seed)
    model = extractor = None
    if args.tiny:
        args.data = str(Path(training.output_dir) / "sounds")
        with training.main_process_first(desc="writing sounds"):
            model, extractor = tiny(Path(args.data), PROBLEM[bool(args.mixup)])
    train, evaluation, labels = load_files(args.data, "audio", training.seed, args.label_column)
    several = bool(args.mixup) or has_several(train, evaluation)
    if model is None:
        model = classifier(args.model, labels, "audio", problem_type=PROBLEM[several])
        extractor = AutoFeatureExtractor.from_pretrained(args.model)
    merge_for_training(model, parse_r(args.r), args.prop_attn)

    frames, mels = spectrogram_size(extractor)
    read = Spectrograms(
        extractor, round(args.time_mask * frames), round(args.mel_mask * mels), args.speed, args.seconds
    )
    if args.skip_bad_files:
        train, evaluation = readable(train, read), readable(evaluation, read)
    best_by(training, several)
    options: Any = {"seed": training.seed, "mixup": args.mixup, "several": several}
    trainer = ToMeTrainer(
        model,
        training,
        train_dataset=LabelledFiles(train, read, len(labels), **options),
        eval_dataset=LabelledFiles(evaluation, read, len(labels), several=several),
        compute_metrics=metrics(several),
        processing_class=extractor,
        callbacks=[ToMeCallback(warmup=args.r_warmup)],
    )
    run(trainer, args.resume, "audio-classification", None if args.tiny else args.model)


if __name__ == "__main__":
    entry("finetune_audio", main)
