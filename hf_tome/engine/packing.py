"""Images of several sizes packed in one sequence: each attends and merges by itself.

A tower that packs has no batch. Its tokens are (tokens, channels) or a batch of one, and each layer is told where the
images begin, or gets a mask that hides them from each other. Here they are one sample of all tokens, so that whatever
merges, follows or restores tokens works as it is. Two things alone tell the images apart: the attention
(`engine.attention`), and the decision which tokens merge.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_tome.core import MergePlan
from hf_tome.engine.positions import argument, replaced
from hf_tome.errors import UnsupportedAttentionError, complaint

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from hf_tome.engine.record import LayerRecord
    from hf_tome.engine.state import Forward

Attend = Callable[[Tensor, Tensor, Tensor, "LayerRecord"], tuple[Tensor, "Tensor | None"]]
Match = Callable[["LayerRecord", Tensor, "Tensor | None", int], None]
MASK = "attention_mask"
FLASH = ("cu_seq_lens_q", "cu_seq_lens_k", "max_length_q", "max_length_k")  # flash attention's, in place of the mask


def as_one(
    state: Forward | LayerRecord, place: int, tokens: int, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a layer to which all images are one. Those of the first layer tell how long each image is.

    Args:
        state: of the forward, or of the layer where it runs again in a backward.
        place: of the boundaries or the mask among the positional arguments after the tokens.
        tokens: of all images together.

    Raises:
        UnsupportedAttentionError: if nothing tells the images apart.
    """
    name, whole = state.settings.family.boundaries, None
    given = argument(place, name, args, kwargs)
    if name != MASK:
        whole = torch.tensor([0, tokens], dtype=given.dtype, device="cpu")  # the attention reads it there
    elif given is None:
        given = kwargs.get(FLASH[0])
        kwargs = {each: value for each, value in kwargs.items() if each not in FLASH}
        if given is None:
            rule = "Images in one sequence are told apart by a mask, or by their lengths for flash attention."
            cure = 'Call model.set_attn_implementation("sdpa"), or install transformers 5.23.'
            raise UnsupportedAttentionError(complaint(rule, "neither", cure))
    elif state.sizes is None:  # until tokens have merged, the plain model's attention does
        whole = given
    if state.lengths is None:
        state.lengths = _lengths(given)
    return replaced(place, name, whole, args, kwargs)


def _lengths(given: Int[Tensor, " ends"] | Float[Tensor, "1 1 tokens tokens"]) -> list[int]:
    """How long each image is, by where each begins or by a mask, which is 0 where a token is seen."""
    if given.ndim == 1:
        return given.diff().tolist()
    first_seen = (given[0, 0] == 0).int().argmax(dim=-1)
    return first_seen.unique_consecutive(return_counts=True)[1].tolist()


def attend_each(
    attend: Attend,
    query: Float[Tensor, "1 heads tokens channels"],
    key: Float[Tensor, "1 heads tokens channels"],
    value: Float[Tensor, "1 heads tokens channels"],
    record: LayerRecord,
) -> tuple[Float[Tensor, "1 tokens heads channels"], list[Tensor | None]]:
    """What `attend` gives where each image attends to itself alone: one output, and the weights of each image."""
    lengths = record.lengths or []
    sizes = [None] * len(lengths) if record.sizes is None else record.sizes.split(lengths, dim=1)
    done = [
        attend(q, k, v, replace(record, sizes=own, log_sizes=None))
        for q, k, v, own in zip(*(each.split(lengths, dim=2) for each in (query, key, value)), sizes, strict=True)
    ]
    return torch.cat([output for output, _ in done], dim=1), [weights for _, weights in done]


def decide_each(record: LayerRecord, metric: Float[Tensor, "1 heads tokens channels"], match: Match) -> None:
    """Write plan, shares and totals on the record of packed images.

    Args:
        record: of the layer.
        metric: what its tokens are compared by.
        match: writes the same on the record of a batch. Images of one length side by side are decided as one.
    """
    device, tokens = metric.device, metric.shape[2]
    sizes = torch.ones(1, tokens, device=device) if record.sizes is None else record.sizes
    parts: list[tuple[Tensor, ...]] = []
    start = group = 0  # the first token and the first group of the part
    record.left = []
    for length, run in groupby(record.lengths or []):
        images = len(list(run))
        span, shape = slice(start, start + images * length), (images, length)
        importance = None if record.importance is None else record.importance[:, span].view(shape)
        own = sizes[:, span].view(shape)
        part = replace(record, sizes=own, importance=importance)
        r = record.settings.r(record.site.index, length)
        if r > 0:
            match(part, metric[0, :, span].unflatten(1, shape).transpose(0, 1), own, r)
        if part.plan is None or part.totals is None or part.shares is None:
            none = torch.zeros(images, 0, dtype=torch.int64, device=device)
            part.plan = MergePlan(torch.arange(length, device=device).expand(shape), none, none)
            part.totals, part.shares = own, none.float()
        before, count = torch.arange(images, device=device)[:, None], part.plan.count
        places, groups = start + before * length, group + before * count
        leaders, joiners, targets = part.plan.indices
        parts.append((leaders + places, joiners + places, targets + groups, part.totals, part.shares))
        start, group, record.left = span.stop, group + images * count, record.left + [count] * images
    leaders, joiners, targets, record.totals, record.shares = (
        torch.cat([each.flatten() for each in every])[None] for every in zip(*parts, strict=True)
    )
    record.plan = MergePlan(leaders, joiners, targets)
