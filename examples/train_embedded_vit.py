"""Train the ViT that ships inside hf_tome (28x28 Fashion-MNIST, patch 2: 197 tokens) with the Trainer.

    python examples/train_embedded_vit.py --data /usr/share/datasets/fashion-mnist --output_dir runs/vit

`--data` is a folder with the four `*-ubyte.gz` files (Debian package `dataset-fashion-mnist`).
Attention is quadratic in the number of tokens, so the model learns first on 14x14 images (50 tokens) and is then grown to
28x28 (197 tokens). Each stage is written when it ends; a second call goes on after the last stage that is there.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import (
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    set_seed,
)

from hf_tome.fashion import CLASSES, read_idx

MEAN, STD = 0.2860, 0.3530


@dataclass
class Arguments:
    """What to train on, where to write, and for how long."""

    data: str = "/usr/share/datasets/fashion-mnist"
    output_dir: str = "runs/vit"
    small_epochs: float = 16
    full_epochs: float = 5
    batch_size: int = 128
    seed: int = 0
    max_train: int = 60_000


class Images(torch.utils.data.Dataset):
    """Fashion-MNIST as grey uint8 tensors (1, 28, 28) with their labels."""

    def __init__(self, folder: Path, split: str, limit: int | None = None) -> None:
        self.images = torch.from_numpy(read_idx(folder / f"{split}-images-idx3-ubyte.gz")[:limit].copy())
        self.labels = torch.from_numpy(read_idx(folder / f"{split}-labels-idx1-ubyte.gz")[:limit].astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> dict:
        return {"image": self.images[index], "labels": self.labels[index]}


def augment(images: torch.Tensor) -> torch.Tensor:
    """Flip half of the images and shift each by up to two pixels. Shape (batch, 1, 28, 28) in and out."""
    flipped = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(-1), images)
    padded = torch.nn.functional.pad(flipped, (2, 2, 2, 2))
    down, right = torch.randint(0, 5, (2, len(images)))
    return torch.stack([p[:, y : y + 28, x : x + 28] for p, y, x in zip(padded, down, right, strict=True)])


def collator(size: int, train: bool):
    """Batches of normalised (batch, 3, size, size) pixels; grey is repeated to RGB, as `pipeline` gives it."""

    def collate(rows: list[dict]) -> dict:
        images = torch.stack([row["image"] for row in rows])[:, None].float() / 255
        images = augment(images) if train else images
        if size != images.shape[-1]:
            images = torch.nn.functional.interpolate(images, size=(size, size), mode="area")
        return {
            "pixel_values": ((images - MEAN) / STD).expand(-1, 3, -1, -1),
            "labels": torch.stack([row["labels"] for row in rows]),
        }

    return collate


class StageTrainer(Trainer):
    """A Trainer whose training batches are augmented and whose evaluation batches are not."""

    def __init__(self, *args, size: int, **kwargs) -> None:
        super().__init__(*args, data_collator=collator(size, train=True), **kwargs)
        self.size = size

    def get_eval_dataloader(self, eval_dataset=None):
        dataset = eval_dataset if eval_dataset is not None else self.eval_dataset
        return torch.utils.data.DataLoader(dataset, batch_size=250, collate_fn=collator(self.size, train=False))


def config(size: int) -> ViTConfig:
    """The embedded model's shape: 8 layers of width 96, 0.9 M parameters."""
    return ViTConfig(
        image_size=size, patch_size=2, hidden_size=96, num_hidden_layers=8, num_attention_heads=3,
        intermediate_size=384, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(CLASSES)), label2id={name: i for i, name in enumerate(CLASSES)},
    )  # fmt: skip


def grow(model: ViTForImageClassification, size: int) -> ViTForImageClassification:
    """The same weights for a larger image: position embeddings are interpolated, all else is kept."""
    grown = ViTForImageClassification(config(size))
    weights = model.state_dict()
    key = next(k for k in weights if k.endswith("position_embeddings"))
    pixels = torch.zeros(1, model.config.hidden_size, 1).expand(1, -1, (size // 2) ** 2 + 1).transpose(1, 2)
    weights[key] = model.vit.embeddings.interpolate_pos_encoding(pixels, size, size).detach()
    grown.load_state_dict(weights)
    return grown


def train_stage(model, args: Arguments, size: int, epochs: float, rate: float, out: Path) -> ViTForImageClassification:
    """Train one stage at one image size, print the test accuracy and write the model to `out`."""
    data = Path(args.data)
    training = TrainingArguments(
        output_dir=str(out), num_train_epochs=epochs, per_device_train_batch_size=args.batch_size, learning_rate=rate,
        lr_scheduler_type="cosine", warmup_steps=300, weight_decay=0.05, label_smoothing_factor=0.1, bf16=True,
        logging_steps=100, save_strategy="no", eval_strategy="epoch", seed=args.seed, report_to="none", use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=False, dataloader_drop_last=True,
    )  # fmt: skip
    trainer = StageTrainer(
        model, training, size=size, train_dataset=Images(data, "train", args.max_train),
        eval_dataset=Images(data, "t10k"),
        compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
    )  # fmt: skip
    trainer.train()
    print(f"{size}x{size}: test accuracy {trainer.evaluate()['eval_accuracy']:.4f}")
    model.save_pretrained(out)
    return model


def main() -> None:
    (args,) = HfArgumentParser(Arguments).parse_args_into_dataclasses()
    set_seed(args.seed)
    out = Path(args.output_dir)
    if (out / "small" / "config.json").exists():
        small = ViTForImageClassification.from_pretrained(out / "small")
    else:
        small = train_stage(ViTForImageClassification(config(14)), args, 14, args.small_epochs, 1e-3, out / "small")
    full = train_stage(grow(small, 28), args, 28, args.full_epochs, 8e-4, out / "full")
    full.half().save_pretrained(out / "half")
    processor = ViTImageProcessorPil(size={"height": 28, "width": 28}, image_mean=[MEAN] * 3, image_std=[STD] * 3)
    processor.save_pretrained(out / "half")
    print(f"wrote {out / 'half'}")


if __name__ == "__main__":
    main()
