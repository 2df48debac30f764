"""A classifier for the classes of a data set, from any pretrained checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import AutoConfig, PreTrainedModel, ViTConfig, ViTForImageClassification

from hf_tome.data.classifier import AUTO
from hf_tome.errors import ToMeValueError, complaint


def classifier(name: str, labels: Sequence[str], modality: str = "image", **settings: Any) -> PreTrainedModel:
    """The model `name` (a folder, or a name on the hub) with a head for `labels`, new where it had another.

    A ViTMAE checkpoint gives a ViT with the weights of its encoder: transformers' Auto class refuses it. Merge it with
    `prop_attn=False`, as `trained_by_mae` tells.

    Args:
        name: where the checkpoint is. A `VideoMAEForPreTraining` gives the weights of its encoder.
        labels: the classes, in the order of their numbers.
        modality: "image", "audio" or "video".
        settings: fields of the model's config.

    Raises:
        ToMeValueError: if there is no such model, or it cannot classify what is asked for.
    """
    numbered = dict(enumerate(labels))
    settings |= {"id2label": numbered, "label2id": {label: number for number, label in numbered.items()}}
    kind: Any = AUTO[modality]
    try:
        config = AutoConfig.from_pretrained(name, **settings)
        if config.model_type == "vit_mae":  # the type must not stay: a saved model would load as a ViTMAE
            kept = {key: each for key, each in config.to_dict().items() if key not in ("model_type", "architectures")}
            config, kind = ViTConfig(**kept), ViTForImageClassification
        return kind.from_pretrained(name, config=config, dtype="float32", ignore_mismatched_sizes=True)
    except (OSError, ValueError) as error:
        rule = "A model is a folder or a name on the hub that transformers can load as a classifier."
        raise ToMeValueError(complaint(rule, name, f"transformers says: {error}")) from error


def trained_by_mae(name: str) -> bool:
    """Whether the checkpoint is a masked autoencoder that is told apart by its type, whose ViT merges best without
    proportional attention (ToMe, table 1)."""
    return AutoConfig.from_pretrained(name).model_type == "vit_mae"
