"""CLIP, SigLIP and models like them: images and texts as vectors that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForZeroShotImageClassification, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES

from hf_tome.data.encoder import Encoder
from hf_tome.data.pretrained import load_config, load_model, load_processor, loaded, unsupported

if TYPE_CHECKING:
    from jaxtyping import Float

NEEDS = "A model embeds images and texts in one space, as CLIP and SigLIP do."
BATCH = 64  # texts at a time
LONGEST = 77  # tokens of a text. SigLIP's pooling reads the padding too, so that all texts are filled up as in training


@dataclass(frozen=True)
class ImageText(Encoder):
    """A model that embeds images and texts in one space, and the tokenizer of the texts."""

    tokenizer: Any = None

    @property
    def task(self) -> str:
        """What it is evaluated on."""
        return "image-text-retrieval"

    def output(self, model: nn.Module, inputs: dict[str, Tensor]) -> Float[Tensor, "batch width"]:
        """Embeddings of images, of length 1."""
        return image_embeddings(model, inputs)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts width"]:
        """Embeddings of texts, of length 1. No layer of the text encoder merges."""
        model: Any = self.model
        longest = min(LONGEST, model.config.text_config.max_position_embeddings)
        options = {"padding": "max_length", "max_length": longest, "truncation": True, "return_tensors": "pt"}
        parts = []
        for start in range(0, len(texts), BATCH):
            tokens = self.tokenizer(list(texts[start : start + BATCH]), **options).to(model.device)
            parts.append(F.normalize(_pooled(model.get_text_features(**tokens)), dim=-1))
        return torch.cat(parts)


def image_embeddings(model: Any, inputs: dict[str, Tensor]) -> Float[Tensor, "batch width"]:
    """Of length 1."""
    return F.normalize(_pooled(model.get_image_features(**inputs)), dim=-1)


def _pooled(features: Any) -> Tensor:
    return features if isinstance(features, Tensor) else features.pooler_output


def compares(model_type: str) -> bool:
    """Whether models of this type compare images with texts."""
    return model_type in MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES


def load_image_text(name: str, attention: str | None = None) -> ImageText:
    """The model for images and texts that `name` holds, with its processor.

    Args:
        name: on the hub, or a folder.
        attention: the attention implementation; None takes transformers' choice.

    Raises:
        ToMeValueError: if it cannot be loaded.
        UnsupportedModelError: if it cannot be merged, or compares no images with texts.
    """
    config = load_config(name)
    if not compares(config.model_type):
        raise unsupported(name, config, NEEDS)
    model, saved = load_model(AutoModelForZeroShotImageClassification, name, attention)
    if not (hasattr(model, "get_image_features") and hasattr(model, "logit_scale")):
        raise unsupported(name, config, NEEDS)
    return ImageText(model, load_processor(name, "image", config), "image", saved, loaded(AutoTokenizer, name))
