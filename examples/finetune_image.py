"""Fine-tune an image classifier with token merging: `hf-tome train` as a script, to be changed.

    python examples/finetune_image.py --model google/vit-base-patch16-224-in21k --data FOLDER --r 13 --bf16

`--model` is any image classifier that can be merged, or a ViTMAE checkpoint; `--data` a folder
(FOLDER/train/CLASS/IMAGE) or a data set of the hub (`--label_column` names its classes). A folder animals+food holds
images of both classes: then each class has a score of its own, and the metric is mAP. The options are those of
`hf-tome train --help`, and all of transformers' TrainingArguments: --bf16, --report_to tensorboard.
`--resume` goes on after the last whole checkpoint. Several processes:
torchrun --nproc_per_node 2 -- examples/finetune_image.py ...; the dashes keep `--r` from torchrun.
`--tiny` trains a small model on images inside the package, offline, in under a minute.
"""

import sys
from typing import Any

from transformers import ViTConfig, ViTForImageClassification, set_seed

from hf_tome.data.embedded import CLASSES, embedded_images, embedded_processor
from hf_tome.data.media import Media
from hf_tome.train.finetune import finetune
from hf_tome.train.options import Parser
from hf_tome.train.run import script

TINY = {"r": "8", "num_train_epochs": 10, "per_device_train_batch_size": 32, "learning_rate": 2e-3, "use_cpu": True}


def tiny() -> tuple[Any, Any, tuple[Media, Media, list[str]]]:
    """A small untrained ViT with its processor, and 800 + 200 images of Fashion-MNIST."""
    images, labels = embedded_images()
    media = Media(images, [(label,) for label in labels.tolist()])
    config = ViTConfig(
        image_size=28, patch_size=4, hidden_size=64, num_hidden_layers=4, num_attention_heads=2, intermediate_size=128,
        initializer_range=0.12, id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)},
    )  # fmt: skip
    parts = media.select(range(800)), media.select(range(800, 1000))
    return ViTForImageClassification(config), embedded_processor(), (*parts, list(CLASSES))


def main() -> None:
    small = "--tiny" in sys.argv
    options, training = Parser("runs/finetune_image", **(TINY if small else {})).read(
        [word for word in sys.argv[1:] if word != "--tiny"]
    )
    set_seed(training.seed)
    finetune(options, training, *(tiny() if small else ()))


if __name__ == "__main__":
    script("finetune_image", main)
