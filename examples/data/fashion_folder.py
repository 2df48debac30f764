"""A folder of Fashion-MNIST images, as finetune_image.py takes them: FOLDER/train/CLASS/NUMBER.png.

    python examples/data/fashion_folder.py /usr/share/datasets/fashion-mnist CLOTHES --train 2000 --test 1000

The first argument holds the four `*-ubyte.gz` files (Debian package `dataset-fashion-mnist`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from hf_tome.data.embedded import CLASSES, read_idx
from hf_tome.data.labels import plain_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=2000, help="images to train on: the first ones")
    parser.add_argument(
        "--test", type=int, default=1000, help="images to evaluate on: the first ones of the test split"
    )
    args = parser.parse_args()
    for split, prefix, count in (("train", "train", args.train), ("test", "t10k", args.test)):
        images = read_idx(args.source / f"{prefix}-images-idx3-ubyte.gz")[:count]
        labels = read_idx(args.source / f"{prefix}-labels-idx1-ubyte.gz")[:count]
        for number, (image, label) in enumerate(zip(tqdm(images, desc=split), labels, strict=True)):
            path = args.folder / split / plain_name(CLASSES[label]) / f"{number:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).convert("RGB").save(path)


if __name__ == "__main__":
    main()
