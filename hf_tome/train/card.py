"""The settings of merging in a model card."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from torch import nn

from hf_tome.measure.card import with_section
from hf_tome.train.settings import settings_of

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
    tags = [*(tag for tag in data.get("tags") or [] if tag != TAG), TAG]
    data = ModelCardData(**{**data, "tags": tags})
    with_section(card, TITLE, SECTION.format(**settings), data).save(path)
