"""A classifier for the classes of a data set, from any pretrained checkpoint, and the part of it that is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from transformers import AutoConfig, PreTrainedModel, ViTForImageClassification

from hf_tome.api import apply_tome
from hf_tome.config import ToMeConfig
from hf_tome.data.classifier import AUTO
from hf_tome.data.pretrained import as_vit, loaded, saved_settings
from hf_tome.errors import extra
from hf_tome.families import tower_in


def classifier(name: str, labels: Sequence[str], modality: str = "image", **settings: Any) -> PreTrainedModel:
    """The model `name` (a folder, or a name on the hub) with a head for `labels`, new where it had another.

    A ViTMAE checkpoint gives a ViT with the weights of its encoder: transformers' Auto class refuses it. Its config
    says that proportional attention is off, and `merge_for_training` keeps it so. LayerDrop is off: merging needs every
    layer.

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
    kind, config = AUTO[modality], loaded(AutoConfig, name, **settings)
    if config.model_type == "vit_mae":  # the type must not stay: a saved model would load as a ViTMAE
        config, kind = as_vit(config), ViTForImageClassification
    config.update({each: 0.0 for each in ("layerdrop", "encoder_layerdrop") if hasattr(config, each)})
    return loaded(kind, name, config=config, dtype="float32", ignore_mismatched_sizes=True)


def merge_for_training(model: PreTrainedModel, r: Any, prop_attn: bool | None = None) -> PreTrainedModel:
    """`apply_tome` with r, in the settings that the checkpoint was saved with if it was.

    Args:
        model: as `classifier` gives it.
        r: as `apply_tome` takes it.
        prop_attn: None leaves it as saved, or as the family's default.

    Raises:
        ToMeError: as `apply_tome`.
    """
    settings = (saved_settings(model.config) or ToMeConfig(r=0)).replace(r=r)
    return apply_tome(model, config=settings if prop_attn is None else settings.replace(prop_attn=prop_attn))


def backbone_of(model: PreTrainedModel) -> nn.Module:
    """All but the head: the base model, or where the head has no name for that, the encoder."""
    base = model.base_model
    return tower_in(model)[0] if base is model else base


def with_adapters(model: PreTrainedModel, rank: int) -> Any:
    """The model in PEFT's wrapper: adapters on every matrix of the encoder's layers (LoRA, arXiv 2106.09685), and the
    head, are trained; `merge_and_unload` makes a plain model of it. Raises MissingExtraError without PEFT."""
    with extra("lora", "train adapters"):
        from peft import LoraConfig, get_peft_model  # pyright: ignore[reportMissingImports]
    tower, family = tower_in(model)
    inside = {id(each) for each in tower.get_submodule(family.layers).modules()}
    names = {id(module): name for name, module in model.named_modules()}
    matrices = [names[key] for key in inside if isinstance(model.get_submodule(names[key]), nn.Linear)]
    backbone = {id(each) for each in backbone_of(model).modules()}
    heads = [name for name, child in model.named_children() if id(child) not in backbone and list(child.parameters())]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=sorted(matrices), modules_to_save=heads)
    return get_peft_model(model, config)
