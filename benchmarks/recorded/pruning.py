"""Merging against pruning at equal multiply-adds, off the shelf and after the same short fine-tuning (ToMe, table 4).

    python -m benchmarks.recorded.pruning --fashion FASHION_MNIST

The embedded ViT. What is finished is in docs/results/data/pruning.json and is not run again; the table is written into
docs/results/study.md.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import TrainingArguments, set_seed

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from hf_tome import apply_tome
from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.embedded import CLASSES, VIT, read_idx
from hf_tome.data.media import Media
from hf_tome.measure.statistics import NORMAL
from hf_tome.measure.table import markdown
from hf_tome.train import ToMeTrainer
from hf_tome.train.augment import Pictures
from hf_tome.train.files import LabelledFiles

METHODS = {
    "ToMe": {},
    "random pruning": {"matching": "random_prune"},
    "attention pruning": {"matching": "attention_prune"},
}
R, TRAINED_ON, RATE = 23, 12_800, 1e-4
HEADER = ("", "off the shelf", "against ToMe", "fine-tuned", "against ToMe")


def images_of(fashion: Path, split: str, count: int | None = None) -> tuple[list[Image.Image], np.ndarray]:
    """The first images of a split, and their labels."""
    images = read_idx(fashion / f"{split}-images-idx3-ubyte.gz")[:count]
    labels = read_idx(fashion / f"{split}-labels-idx1-ubyte.gz")[:count]
    return [Image.fromarray(image).convert("RGB") for image in images], labels


def correct(classifier: Classifier, fashion: Path) -> str:
    """A 1 for each of the 10,000 test images that the model classifies as labelled, else a 0."""
    images, labels = images_of(fashion, "t10k")
    found = ""
    for start in range(0, len(images), 50):
        with torch.inference_mode():
            logits = classifier.model.eval()(**classifier.inputs(images[start : start + 50])).logits
        found += "".join("01"[int(hit)] for hit in logits.argmax(-1).numpy() == labels[start : start + 50])
    return found


def fine_tune(classifier: Classifier, fashion: Path) -> None:
    """One epoch on the first training images, as they are: the model was trained on all of them, unmerged."""
    images, labels = images_of(fashion, "train", TRAINED_ON)
    media = Media(images, [(label,) for label in labels.tolist()])
    set_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            folder, num_train_epochs=1, per_device_train_batch_size=32, learning_rate=RATE, weight_decay=0.05,
            lr_scheduler_type="cosine", warmup_steps=20, save_strategy="no", report_to="none", use_cpu=True,
            remove_unused_columns=False,
        )  # fmt: skip
        data = LabelledFiles(media, Pictures(classifier.processor), len(CLASSES))
        ToMeTrainer(classifier.model, settings, train_dataset=data).train()  # pyright: ignore


def right(found: dict[str, str], name: str, kind: str) -> np.ndarray:
    """The same as numbers (images,)."""
    return np.array([int(each) for each in found[f"{name}/{kind}"]])


def against(found: dict[str, str], name: str, kind: str) -> str:
    """Points more or less than ToMe, with the 95 % interval of the paired difference."""
    if name == "ToMe":
        return ""
    change = right(found, name, kind) - right(found, "ToMe", kind)
    error = NORMAL * change.std(ddof=1) / len(change) ** 0.5
    return f"{100 * change.mean():+.1f} ({100 * (change.mean() - error):.1f} to {100 * (change.mean() + error):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fashion", type=Path, required=True, help="the files of Fashion-MNIST, a folder")
    args = parser.parse_args()
    results = Results(ROOT / "docs/results/data/pruning.json")
    for name, options in METHODS.items():
        if f"{name}/fine-tuned" in results.found:
            continue
        classifier = load_classifier(VIT, "eager")
        apply_tome(classifier.model, R, **options)
        results.keep(f"{name}/off the shelf", correct(classifier, args.fashion))
        fine_tune(classifier, args.fashion)
        results.keep(f"{name}/fine-tuned", correct(classifier, args.fashion))
        results.keep("machine", machine())
    found = results.found
    rows = [
        (name, *(cell for kind in ("off the shelf", "fine-tuned")
                              for cell in (f"{right(found, name, kind).mean():.1%}", against(found, name, kind))))
        for name in METHODS
    ]  # fmt: skip
    tested = f"r={R}, {len(right(found, 'ToMe', 'fine-tuned')):,} test images"
    command = "python -m benchmarks.recorded.pruning --fashion FASHION_MNIST"
    source = f"Measured by `{command}`: {tested}."
    write_block(ROOT / "docs/results/study.md", "pruning", f"{markdown(HEADER, rows)}\n\n{source}")


if __name__ == "__main__":
    main()
