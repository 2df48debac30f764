"""Positions that follow the tokens, in families with rotary position embeddings.

A layer gets the position of each of its tokens. After a merge, a group gets the mean of its members' cosines and sines,
weighted by their shares and not scaled back to length 1, since opposite ones cancel to noise. Where positions are
integers, it gets that of its leader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

if TYPE_CHECKING:
    from jaxtyping import Float

    from hf_tome.core import MergePlan
    from hf_tome.engine.record import LayerRecord

Positions = tuple[Tensor, ...]  # each (batch, tokens) of integers, or (batch, tokens, channels)


def follow(record: LayerRecord, x: Float[Tensor, "batch tokens channels"], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer with the positions of its own tokens.

    The record of a layer before any merge gets the positions that came in.
    """
    name = record.settings.family.positions
    given = kwargs.get(name)
    if record.positions is None:
        record.positions = _of_all(given, x)
        return kwargs
    return {**kwargs, name: _as_given(record.positions, given, record)}


def merged(positions: Positions | None, plan: MergePlan, shares: Float[Tensor, "batch r"]) -> Positions | None:
    """The positions after a layer's merge; None where tokens have none."""
    if positions is None:
        return None
    return tuple(
        plan.merge(each, shares) if each.is_floating_point() else each.gather(1, plan.leaders) for each in positions
    )


def _of_all(value: Any, x: Tensor) -> Positions:
    """Positions of all tokens; protected ones at the front may have none, and get zeros."""
    batch, tokens = x.shape[:2]
    if value is None:
        return (torch.arange(tokens, device=x.device).expand(batch, -1),)
    if isinstance(value, Tensor):
        return (value.expand(batch, -1),)
    return tuple(pad(each, (0, 0, tokens - each.shape[-2], 0)).expand(batch, -1, -1) for each in value)


def _as_given(positions: Positions, given: Any, record: LayerRecord) -> Any:
    """The positions in the form of the argument `given`."""
    if not positions[0].is_floating_point():
        return positions[0]
    if record.lengths is not None:  # of packed images: (tokens, channels)
        return tuple(each[0] for each in positions)
    protected = record.settings.family.protected
    if given[0].ndim == 3 or not protected:  # of every token: (batch, tokens, channels)
        return positions
    return tuple(each[:, None, protected:] for each in positions)  # of patches: (batch, 1, patches, channels)
