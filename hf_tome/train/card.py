"""The settings of merging that a model was trained with, and their section in its model card."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from torch import nn

from hf_tome.config import ToMeConfig
from hf_tome.measure.card import with_section
from hf_tome.trace import trace_tome

TITLE = "## Token merging"
TAG = "token-merging"
SECTION = """\
The model was trained with token merging ([ToMe](https://arxiv.org/abs/2210.09461)) by hf_tome, with these settings:

| r | prop_attn | restore |
| --- | --- | --- |
| {r} | {prop_attn} | {restore} |

They are saved with the model. After `from_pretrained`, `hf_tome.apply_tome(model)` merges as in training; without that
line all tokens are kept.
"""


def settings_of(model: nn.Module) -> ToMeConfig:
    """The settings that the patched `model` runs with.

    Raises:
        NotPatchedError: if `apply_tome` was not called on it.
    """
    with trace_tome(model):  # says what is wrong with a model that is not patched, though its config holds settings
        configs = (getattr(module, "config", None) for module in model.modules())
        return ToMeConfig.from_dict(next(saved for config in configs if (saved := getattr(config, "tome", None))))


def add_tome_to_card(path: str | Path, model: nn.Module) -> None:
    """Write the settings of the patched `model` into the model card at `path`, once: an older section is replaced.

    Raises:
        NotPatchedError: if `model` is not patched.
    """
    settings = settings_of(model).to_dict()
    if settings["prop_attn"] is None:
        settings["prop_attn"] = "default of the family"
    card = ModelCard.load(path)
    data = card.data.to_dict()
    data["tags"] = [*(tag for tag in data.get("tags") or [] if tag != TAG), TAG]
    with_section(card, TITLE, SECTION.format(**settings), ModelCardData(**data)).save(path)
