"""Fine-tune a VideoMAE with token merging on videos.

    python examples/finetune_video.py --model MCG-NJU/videomae-base --data FOLDER --r 65 --dataloader_num_workers 8

`--data` is FOLDER/train/CLASS/FILE with FOLDER/test/CLASS/FILE, or FOLDER/CLASS/FILE, of which a tenth is held out, or
a data set of the hub (`--label_column` names its classes). A folder fall+jump holds videos of both classes: then each
class has a score of its own, and the metric is mAP. `--model` is any VideoMAE, a checkpoint of its pre-training too.
The options are those of `hf-tome train --help`, and all of transformers' TrainingArguments.
`--eval_clips 5 --eval_crops 3` averages over views as the video papers do. The log tells the share of time that waits
for data (data_wait): more workers bring it down. `--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_video.py ...; the dashes keep `--r` from torchrun.
`--tiny` makes clips and trains a small model, offline, in under a minute.
"""

import sys
from pathlib import Path
from typing import Any

from data.moving_sprites import write_clips
from transformers import VideoMAEConfig, VideoMAEForVideoClassification, VideoMAEImageProcessorPil, set_seed

from hf_tome.data.embedded import embedded_images
from hf_tome.train.finetune import finetune
from hf_tome.train.options import Parser
from hf_tome.train.run import script

TINY = {"r": "6", "num_train_epochs": 12, "per_device_train_batch_size": 16, "learning_rate": 2e-3, "use_cpu": True}
SIDE, FRAMES = 32, 8


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
    small = "--tiny" in sys.argv
    options, training = Parser("runs/finetune_video", **(TINY if small else {})).read(
        [word for word in sys.argv[1:] if word != "--tiny"]
    )
    if not small:
        finetune(options, training)
        return
    set_seed(training.seed)
    options.data = str(Path(str(training.output_dir)) / "clips")
    with training.main_process_first(desc="writing clips"):
        model, processor = tiny(Path(options.data))
    finetune(options, training, model, processor)


if __name__ == "__main__":
    script("finetune_video", main)
