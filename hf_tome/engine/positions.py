"""Positions that follow the tokens, in families with rotary position embeddings.

A layer is told where each of its tokens is. After a merge, a group is at the mean of its members' places by their
shares: cosines and sines are averaged and not made longer again, since opposite ones cancel to noise. Where a place is
an integer, the group is where its leader was.
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


def follow(
    record: LayerRecord, place: int, x: Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a layer with the positions of its own tokens.

    Args:
        record: of the layer; where nothing has merged yet, it gets the positions that came in.
        place: of their argument among the positional ones after the tokens.
        x: (batch, tokens, channels) the layer's tokens.
    """
    name = record.settings.family.positions
    value = argument(place, name, args, kwargs)
    if record.positions is None:
        record.positions = _of_all(value, x)
        return args, kwargs
    return replaced(place, name, _as_given(record.positions, value, record), args, kwargs)


def argument(place: int, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An argument that may be positional; None where it is left out."""
    return args[place] if len(args) > place else kwargs.get(name)


def replaced(
    place: int, name: str, value: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with another value for one of them."""
    if len(args) > place:
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, {**kwargs, name: value}


def merged(positions: Positions | None, plan: MergePlan, shares: Float[Tensor, "batch r"]) -> Positions | None:
    """The positions after a layer's merge; None where tokens have none."""
    if positions is None:
        return None
    return tuple(
        plan.merge(each, shares) if each.is_floating_point() else each.gather(1, plan.leaders) for each in positions
    )


def _of_all(value: Any, x: Tensor) -> Positions:
    """Positions of all tokens; the protected ones at the front, which have none, get zeros."""
    batch, tokens = x.shape[:2]
    if value is None:
        return (torch.arange(tokens, device=x.device).expand(batch, -1),)
    if isinstance(value, Tensor):
        return (value.expand(batch, -1),)
    return tuple(pad(each, (0, 0, tokens - each.shape[-2], 0)).expand(batch, -1, -1) for each in value)


def _as_given(positions: Positions, given: Any, record: LayerRecord) -> Any:
    """In the form that a layer takes."""
    if not positions[0].is_floating_point():
        return positions[0]
    if record.lengths is not None:  # of packed images: (tokens, channels)
        return tuple(each[0] for each in positions)
    protected = record.settings.family.protected
    if given[0].ndim == 3 or not protected:  # of every token: (batch, tokens, channels)
        return positions
    return tuple(each[:, None, protected:] for each in positions)  # of patches: (batch, 1, patches, channels)
