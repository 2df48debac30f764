"""A section of a model card, written once."""

from __future__ import annotations

import re

from huggingface_hub import ModelCard, ModelCardData


def with_section(card: ModelCard, title: str, text: str, data: ModelCardData) -> ModelCard:
    """The card with other metadata and one section more; an older section of that title is replaced.

    Args:
        card: stays as it is.
        title: with its `## `.
        text: of the section.
        data: all metadata.
    """
    rest = re.sub(rf"\n{re.escape(title)}\n.*?(?=\n## |\Z)", "", f"\n{card.text.lstrip()}", flags=re.DOTALL).strip()
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{rest}\n\n{title}\n\n{text}")
