"""The settings of merging that a model was trained with, and their section in its model card."""

from __future__ import annotations

from pathlib import Path

import transformers
from huggingface_hub import ModelCard, ModelCardData
from torch import nn

from hf_tome.config import ToMeConfig
from hf_tome.measure.card import as_saved, with_section
from hf_tome.trace import trace_tome

TITLE = "## Token merging"
TAG = "token-merging"


def settings_of(model: nn.Module) -> ToMeConfig:
    """The settings that the patched `model` runs with. Raises NotPatchedError if it is not patched."""
    with trace_tome(model):  # raises for a model that is not patched, though its config may hold settings
        configs = (getattr(module, "config", None) for module in model.modules())
        return ToMeConfig.from_dict(next(saved for config in configs if (saved := getattr(config, "tome", None))))


def add_tome_to_card(path: str | Path, model: nn.Module, name: str | None = None) -> None:
    """Write the settings of the patched `model`, and how to load it with them, into its model card.

    Args:
        path: of the card; made where there is none. An older section is replaced.
        model: of transformers, patched.
        name: of the model on the hub; by default that of the card's folder.

    Raises:
        NotPatchedError: if `model` is not patched.
    """
    settings, path, kind = settings_of(model).to_dict(), Path(path), type(model).__name__
    name = name or path.absolute().parent.name
    kind = kind if hasattr(transformers, kind) else "AutoModel"  # a class of the user's, or a wrapper
    load = f'from transformers import {kind}\n\nmodel = {kind}.from_pretrained("{name}")'
    card = ModelCard.load(path) if path.exists() else ModelCard(f"---\n---\n\n# {name}\n")
    data = card.data.to_dict()
    data["tags"] = [*(tag for tag in data.get("tags") or [] if tag != TAG), TAG]
    section = f"The model was trained with merging, by hf_tome. {as_saved(settings, load)}"
    with_section(card, TITLE, section, ModelCardData(**data)).save(path)


def unlink_base(path: str | Path, base: str | Path) -> None:
    """Name the folder of a base model in a card, where transformers links to a page of the hub that does not exist."""
    card, data = ModelCard.load(path), ModelCard.load(path).data.to_dict()
    data.pop("base_model", None)
    text = card.text.replace(f"[{base}](https://huggingface.co/{base})", f"`{Path(base).name}`")
    ModelCard(f"---\n{ModelCardData(**data).to_yaml()}\n---\n{text}").save(path)
