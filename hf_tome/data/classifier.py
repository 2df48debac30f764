"""A user's own classifier with its processor: from files of its modality to the model's inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import (
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForVideoClassification,
    PretrainedConfig,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES,
)

from hf_tome.data.encoder import Encoder
from hf_tome.data.pretrained import load_config, load_model, load_processor, unsupported
from hf_tome.errors import UnsupportedModelError, complaint

AUTO = {
    "image": AutoModelForImageClassification,
    "video": AutoModelForVideoClassification,
    "audio": AutoModelForAudioClassification,
}
TYPES = {  # the model types that transformers has such a head for
    "image": MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    "video": MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES,
    "audio": MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES,
}


@dataclass(frozen=True)
class Classifier(Encoder):
    """A classification model, and the processor that it was trained with."""

    @property
    def task(self) -> str:
        """As the hub names it."""
        return f"{self.modality}-classification"

    @property
    def classes(self) -> list[tuple[str, int]]:
        """Name and number of each class. Names may repeat, as ImageNet's `crane` does."""
        config: Any = self.model.config
        return [(str(name), int(number)) for number, name in config.id2label.items()]

    @property
    def label2id(self) -> dict[str, int]:
        """The number of each class by its name."""
        return dict(self.classes)


def load_classifier(name: str, attention: str | None = None) -> Classifier:
    """The classifier of a supported family that `name` holds, in float32 as its inputs are, with its processor.

    Args:
        name: on the hub, or a folder that `save_pretrained` of both wrote.
        attention: the attention implementation; None takes transformers' choice.

    Raises:
        ToMeValueError: if they cannot be loaded.
        UnsupportedModelError: if the model cannot be merged, or its outputs are no classes.
    """
    config = load_config(name)
    modality = modality_of(name, config)
    check_classes(config, name)
    model, saved = load_model(AUTO[modality], name, attention)
    return Classifier(model, load_processor(name, modality, config), modality, saved)


def check_classes(config: Any, name: str) -> None:
    """Raise UnsupportedModelError for regression, or a single output: softmax, divergence and agreement say nothing of
    such outputs."""
    kind = getattr(config, "problem_type", None)
    if kind == "regression" or (kind != "multi_label_classification" and config.num_labels < 2):
        rule = "A model is judged by scores of classes, of which there are two or more."
        got = f"{name} with {config.num_labels} output(s) and problem_type {kind}"
        cure = "Choose r by the error on your own data: apply_tome(model, r=8) works on any head."
        raise UnsupportedModelError(complaint(rule, got, cure))


def modality_of(name: str, config: PretrainedConfig) -> str:
    """ "image", "video" or "audio", by the type. UnsupportedModelError if transformers has no classifier of it."""
    for modality, types in TYPES.items():
        if config.model_type in types:
            return modality
    needs = "This command needs a classifier of images, clips or sounds, as transformers knows it."
    raise unsupported(name, config, needs)
