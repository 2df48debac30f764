"""Fine-tune an Audio Spectrogram Transformer, a Whisper or a wav2vec 2.0 with token merging on sounds.

    python examples/finetune_audio.py --model MIT/ast-finetuned-audioset-10-10-0.4593 --data FOLDER --r 96 --bf16

`--data` is FOLDER/train/CLASS/FILE with FOLDER/test/CLASS/FILE, or FOLDER/CLASS/FILE, of which a tenth is held out, or
a data set of the hub (`--label_column` names its classes). A folder dog+rain holds sounds of both classes: then each
class has a score of its own, and the metric is mAP. The options are those of `hf-tome train --help`, and all of
transformers' TrainingArguments. `--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_audio.py ...; the dashes keep `--r` from torchrun.
`--tiny` makes sounds and trains a small model, offline, in under a minute.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification, set_seed

from hf_tome.train.finetune import finetune
from hf_tome.train.options import Parser
from hf_tome.train.run import script

TINY = {"r": "3", "num_train_epochs": 8, "per_device_train_batch_size": 16, "learning_rate": 1e-3, "use_cpu": True}


def tiny(folder: Path) -> tuple[Any, Any]:
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
    )  # fmt: skip
    return ASTForAudioClassification(config), ASTFeatureExtractor(
        sampling_rate=rate, num_mel_bins=32, max_length=48, mean=0.0, std=1.0
    )


def main() -> None:
    small = "--tiny" in sys.argv
    options, training = Parser("runs/finetune_audio", **(TINY if small else {})).read(
        [word for word in sys.argv[1:] if word != "--tiny"]
    )
    if not small:
        finetune(options, training)
        return
    set_seed(training.seed)
    options.data = str(Path(str(training.output_dir)) / "sounds")
    with training.main_process_first(desc="writing sounds"):
        model, processor = tiny(Path(options.data))
    finetune(options, training, model, processor)


if __name__ == "__main__":
    script("finetune_audio", main)
