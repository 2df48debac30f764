"""Tiny heads of several families, with processor and input: what commands and trainings are tried on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from row import CORE, SPEECH, WAVE, made, two
from torch import Tensor
from torch.utils.data import Dataset
from zoo import ZOO

IMAGES = {"size": {"height": 16, "width": 16}}
WHISPER = {**SPEECH, "num_mel_bins": 80, "max_source_positions": 50, "vocab_size": 40, "pad_token_id": 1}
CLASSES = torch.tensor([0, 1, 1, 0])


@dataclass(frozen=True)
class Head:
    """One head.

    Attributes:
        family: model type of its encoder.
        model: its class.
        config: makes its config.
        processor: makes what feeds it.
        inputs: makes inputs of four samples.
        labels: of these.
    """

    family: str
    model: Any
    config: Callable[[], Any]
    processor: Callable[[], Any]
    inputs: Callable[[], dict[str, Tensor]]
    labels: Tensor = CLASSES

    def saved(self, folder: Path) -> str:
        """The folder, as `from_pretrained` takes it."""
        self.model(self.config()).save_pretrained(folder)
        self.processor().save_pretrained(folder)
        return str(folder)


class Samples(Dataset):
    """The four samples, as a Trainer takes them."""

    def __init__(self, head: Head) -> None:
        self.columns = {**head.inputs(), "labels": head.labels}

    def __len__(self) -> int:
        return len(self.columns["labels"])

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: column[index] for name, column in self.columns.items()}


def pictures() -> dict[str, Tensor]:
    return {"pixel_values": made(4, 3, 16, 16)}


def waves() -> dict[str, Tensor]:
    return {"input_values": made(4, 130)}


def picture_processor() -> Any:
    return tf.ViTImageProcessor(**IMAGES)


def wave_processor() -> Any:
    return tf.Wav2Vec2FeatureExtractor(return_attention_mask=True)


ALL = (
    Head("dinov2", tf.Dinov2ForImageClassification, lambda: tf.Dinov2Config(**CORE), picture_processor, pictures),
    Head("clip", tf.CLIPForImageClassification, two(tf.CLIPConfig), picture_processor, pictures),
    Head("siglip", tf.SiglipForImageClassification, two(tf.SiglipConfig), picture_processor, pictures),
    Head(
        "whisper",
        tf.WhisperForAudioClassification,
        lambda: tf.WhisperConfig(**WHISPER),
        lambda: tf.WhisperFeatureExtractor(feature_size=80, chunk_length=1),
        lambda: {"input_features": made(4, 80, 100)},
    ),
    Head(
        "wav2vec2",
        tf.Wav2Vec2ForSequenceClassification,
        lambda: tf.Wav2Vec2Config(**WAVE, classifier_proj_size=8),
        wave_processor,
        waves,
    ),
    Head(
        "wav2vec2",
        tf.Wav2Vec2ForCTC,
        lambda: tf.Wav2Vec2Config(**WAVE, ctc_loss_reduction="mean"),
        wave_processor,
        waves,
        torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [1, 3, 5]]),
    ),
)

# Older versions of transformers have some of them with other layers.
HEADS = tuple(head for head in ALL if head.family in {row.model_type for row in ZOO})
CLASSIFIERS = tuple(head for head in HEADS if head.labels is CLASSES)


def name(head: Head) -> str:
    return head.model.__name__
