"""Padding masks become token sizes: 1 for a token, 0 for padding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.core.ops.exporting import tracing
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown
from hf_tome.families import Mask

if TYPE_CHECKING:
    from jaxtyping import Float

CURE = "Masks per pair of tokens do not survive merging: reduce it to padding, or call remove_tome(model)."


def sizes_of(mask: Any, about: Mask) -> Float[Tensor, "batch tokens"]:
    """Token sizes in float32 from a padding mask.

    Raises:
        ToMeTypeError, ToMeValueError: if the mask is no tensor of the shape that the family says.
    """
    rule = f"{about.argument} is a tensor ({about.shape}), 1 for tokens and 0 for padding, special tokens included."
    if not isinstance(mask, Tensor):
        raise ToMeTypeError(complaint(rule, shown(mask), CURE))
    if mask.ndim == 4 and (about.per_pair or about.inside):
        visible = mask if mask.dtype == torch.bool else mask == 0
        if not can_be_read(mask) or (visible == visible[:, :1, :1]).all():
            return visible[:, 0, 0].to(torch.float32)
    if mask.ndim != len(about.shape.split(", ")):
        raise ToMeValueError(complaint(rule, f"shape {tuple(mask.shape)}", CURE))
    return (mask != 0).flatten(1).to(torch.float32)


def hides(mask: Any) -> bool:
    """Whether an additive or boolean attention mask hides a token; False where its values cannot be read."""
    if not isinstance(mask, Tensor) or not can_be_read(mask):
        return False
    return not bool((mask if mask.dtype == torch.bool else mask == 0).all())


def can_be_read(mask: Tensor) -> bool:
    """Whether tensor values can be read here: not while a graph is recorded."""
    recording = torch.compiler.is_compiling() or tracing()
    return not recording and not (mask.is_cuda and torch.cuda.is_current_stream_capturing())


def fitting(sizes: Tensor, hidden_states: Tensor) -> Tensor:
    """The sizes on the device of the tokens that they belong to."""
    if sizes.shape != hidden_states.shape[:2]:
        rule = f"attention_mask is (batch, tokens) = {tuple(hidden_states.shape[:2])}, special tokens included."
        raise ToMeValueError(complaint(rule, f"shape {tuple(sizes.shape)}", "Give one entry to each token."))
    return sizes.to(hidden_states.device)
