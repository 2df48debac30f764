"""A prompt with some of its tokens cut out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from jaxtyping import Bool, Int


def cut(
    inputs: Mapping[str, Any], dropped: Bool[Tensor, "batch tokens"], pad: int, positions: Tensor | None
) -> dict[str, Any]:
    """The inputs without the dropped tokens, padded on the left where samples differ in length.

    Args:
        inputs: every tensor of shape (batch, tokens) in it is cut: ids, mask, token types, labels, positions.
        dropped: which tokens go. Where any does, padding goes too.
        pad: the id of a padding token.
        positions: (axes, batch, tokens) of a model with positions in several axes: a token keeps its own. They come
            back as `position_ids` (1 + axes, batch, kept), where the first axis counts the tokens, as in `generate`.
    """
    mask, every = inputs.get("attention_mask"), torch.ones_like(dropped)
    stays = every if not dropped.any() else ~dropped & (every if mask is None else mask.bool())
    longest = int(stays.sum(dim=1).max())
    order = stays.to(torch.uint8).argsort(dim=1, stable=True)[:, -longest:]  # what goes stands in front
    real = stays.gather(1, order)
    fills = {"input_ids": pad, "labels": -100}
    result = {
        name: value.gather(1, order).masked_fill(~real, fills.get(name, 0))
        if isinstance(value, Tensor) and value.shape == dropped.shape
        else value
        for name, value in inputs.items()
    }
    if mask is None and not real.all():
        result["attention_mask"] = real.long()
    if positions is not None:
        real = real & result.get("attention_mask", real).bool()
        count = (real.cumsum(dim=1) - 1).masked_fill(~real, 0)
        kept = positions.gather(2, order.expand(len(positions), -1, -1))
        result["position_ids"] = torch.cat([count[None], kept.to(count.dtype)])
    return result


def positions_of(visual: Any, inputs: Mapping[str, Any]) -> Int[Tensor, "axes batch tokens"] | None:
    """Positions of the whole prompt in time, height and width; None for models whose positions count the tokens.

    Raises:
        ToMeValueError: if the inputs do not tell which tokens are images.
    """
    function = getattr(visual, "get_rope_index", None)
    if function is None:
        return None
    arguments = arguments_of(function, inputs)
    needed = inspect.signature(function).parameters.values()
    lacking = [each.name for each in needed if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    if missing := [name for name in lacking if name not in arguments]:
        rule = f"{type(visual).__name__} needs {', '.join(missing)} for the positions of its tokens."
        raise ToMeValueError(complaint(rule, ", ".join(inputs), "Pass all that the model's processor returns."))
    return function(**arguments)[0]


def pad_id(visual: Any) -> int:
    """The id for padding; 0 where the model names none, since the attention mask hides it."""
    named = getattr(visual.config.get_text_config(), "pad_token_id", None)
    return 0 if named is None else named


def arguments_of(function: Callable[..., Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that a function has arguments for."""
    names = inspect.signature(function).parameters
    return {name: inputs[name] for name in names if name != "kwargs" and inputs.get(name) is not None}


def runs(places: Bool[Tensor, "batch tokens"]) -> list[int]:
    """The lengths of the runs of neighbouring True in each sample, in their order."""
    sample, token = places.nonzero().cpu().T
    ends = (sample.diff() != 0) | (token.diff() != 1)
    edges = torch.cat([torch.tensor([-1]), ends.nonzero()[:, 0], torch.tensor([len(token) - 1])])
    return edges.diff().tolist()
