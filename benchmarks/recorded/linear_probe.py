"""Make an image classifier of a pretrained ViT by a linear probe on Fashion-MNIST.

    python -m benchmarks.recorded.linear_probe VIT FASHION_MNIST OUT

VIT is a `ViTModel` without a head, FASHION_MNIST the folder of the authors' four files. The probe sees the class token
after one of the blocks before the last, normalised. Block and penalty are those that are best on a fifth of the
training images that was set apart; the blocks after it are cut off. OUT is a `ViTForImageClassification` with its
processor.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from sklearn.pipeline import Pipeline
from torch.nn import functional as F
from transformers import ViTForImageClassification, ViTImageProcessorPil, ViTModel

from hf_tome.data.embedded import CLASSES, read_idx
from hf_tome.measure.probe import linear_probe

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # of ImageNet
BATCH, BLOCKS = 16, 4  # images; the blocks before the last, of which one is probed


def pictures(folder: Path, split: str) -> tuple[list[Image.Image], np.ndarray]:
    """The images of a split ("train" or "t10k"), as RGB pictures of 28x28, and their labels."""
    images = read_idx(folder / f"{split}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{split}-labels-idx1-ubyte.gz")
    return [Image.fromarray(image).convert("RGB") for image in images], labels.astype(np.int64)


@torch.inference_mode()
def class_tokens(model: ViTModel, processor: ViTImageProcessorPil, images: list[Image.Image]) -> np.ndarray:
    """The normalised class tokens (blocks, images, width) after each of the blocks before the last."""
    parts = []
    for start in track(range(0, len(images), BATCH), "Features"):
        inputs = processor(images[start : start + BATCH], return_tensors="pt")
        states = model(**inputs, output_hidden_states=True).hidden_states[-1 - BLOCKS : -1]
        parts.append(torch.stack([F.layer_norm(state[:, 0], state.shape[-1:]) for state in states]))
    return torch.cat(parts, dim=1).numpy()


def best_probe(features: np.ndarray, labels: np.ndarray) -> tuple[int, Pipeline]:
    """The block of the best probe, as -1 for the last but one, and the probe fitted on all images."""
    found = {block: linear_probe(each, labels) for block, each in enumerate(features, start=-len(features))}
    for block, each in found.items():
        print(f"block {block}: {each.best_score_:.1%} with {each.best_params_}")
    block = max(found, key=lambda each: found[each].best_score_)
    return block, found[block].best_estimator_


def with_probe(model: ViTModel, block: int, fitted: Pipeline) -> ViTForImageClassification:
    """The model up to `block`, with the probe and the scaling before it as its head."""
    scaler, linear = fitted[0], fitted[1]
    config = model.config
    config.num_hidden_layers += block
    config.id2label = dict(enumerate(CLASSES))
    config.label2id = {name: number for number, name in config.id2label.items()}
    whole = ViTForImageClassification(config)
    shorter = whole.vit.state_dict()
    weights = {name: value for name, value in model.state_dict().items() if name in shorter}
    whole.vit.load_state_dict(weights)
    with torch.no_grad():
        whole.vit.layernorm.weight.fill_(1)
        whole.vit.layernorm.bias.fill_(0)
        weight = linear.coef_ / scaler.scale_
        whole.classifier.weight.copy_(torch.from_numpy(weight))
        whole.classifier.bias.copy_(torch.from_numpy(linear.intercept_ - weight @ scaler.mean_))
    return whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vit", type=Path)
    parser.add_argument("fashion", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=2500, help="training images")
    args = parser.parse_args()
    model = ViTModel.from_pretrained(args.vit, add_pooling_layer=False).eval()
    side = {"height": model.config.image_size, "width": model.config.image_size}
    processor = ViTImageProcessorPil(size=side, image_mean=MEAN, image_std=STD)
    images, labels = pictures(args.fashion, "train")
    features = class_tokens(model, processor, images[: args.train])
    block, fitted = best_probe(features, labels[: args.train])
    with_probe(model, block, fitted).save_pretrained(args.out)
    processor.save_pretrained(args.out)


if __name__ == "__main__":
    main()
