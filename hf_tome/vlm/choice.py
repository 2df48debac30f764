"""The choice of visual tokens to keep, of all images or videos of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hf_tome.core.ops.reference import exact
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.vlm.features import Features
from hf_tome.vlm.methods import METHODS, Item
from hf_tome.vlm.reduction import Reduction, join


@dataclass(frozen=True)
class Choice:
    """The checked arguments of `shorten`.

    Attributes:
        keep: of each image and video, a share in (0, 1] as a float, or a number of tokens as an int.
        method: a name in `METHODS`.
        seed: of random choices.

    Raises:
        ToMeTypeError, ToMeValueError: if one of them is wrong.
    """

    keep: float
    method: str
    seed: int

    def __post_init__(self) -> None:
        rule = "keep is a share in (0, 1] as a float, or a number of tokens from 1 on as an int."
        if isinstance(self.keep, bool) or not isinstance(self.keep, int | float):
            raise ToMeTypeError(complaint(rule, shown(self.keep), "For example keep=0.5, or keep=64."))
        if not (self.keep >= 1 if isinstance(self.keep, int) else 0 < self.keep <= 1):
            raise ToMeValueError(complaint(rule, shown(self.keep), "For example keep=0.5, or keep=64."))
        if self.method not in METHODS:
            rule = f"method is one of {', '.join(METHODS)}."
            raise ToMeValueError(complaint(rule, shown(self.method), 'Leave it out for "merge".'))

    def count(self, tokens: int) -> int:
        """How many of the tokens of one image stay."""
        return min(self.keep, tokens) if isinstance(self.keep, int) else max(1, round(self.keep * tokens))

    def of(self, features: Features, visual: Any, ids: Tensor) -> Reduction:
        """Choose among the visual tokens of all images, or of all videos.

        `visual` is what `visual_model` found, and `ids` (batch, tokens) are those of the prompt.
        """
        x = exact(features.x.detach())
        attention = features.attention(visual.config) if self.method == "attention" else x.new_empty(len(x))
        words = _words(visual, ids).to(x) if self.method == "question" else None
        separators, generator = _separators(visual, features.x), torch.Generator().manual_seed(self.seed)
        parts = []
        for tokens, received, fixed in zip(
            *(each.split(features.pieces) for each in (x, attention, separators)), strict=True
        ):
            item = Item(tokens[~fixed], self.count(int((~fixed).sum())), words, received[~fixed], generator)
            parts.append(METHODS[self.method](item).beside(fixed))
        return join(parts, features.pieces)


def _separators(visual: Any, x: Tensor) -> Tensor:
    """Which visual tokens only mark the end of a row of patches (LLaVA-NeXT, LLaVA-OneVision): they all stay."""
    newline = getattr(visual, "image_newline", None)
    if newline is None:
        return torch.zeros(len(x), dtype=torch.bool, device=x.device)
    return (x == newline.to(x)).all(dim=-1)


def _words(visual: Any, ids: Tensor) -> Tensor:
    """The embeddings (words, channels) of all tokens of the prompts but the placeholders."""
    names = ("image_token_id", "video_token_id")
    visible = [value for name in names if (value := getattr(visual.config, name, None)) is not None]
    return visual.get_input_embeddings()(ids[~torch.isin(ids, torch.tensor(visible, device=ids.device))]).detach()
