"""Training a part of a model: the head alone, or adapters (LoRA) and the head."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from hf_tome.data.extra import extra
from hf_tome.families import tower_in


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
