"""The operations of a merge in plain torch: the reference, and the fallback where no kernel takes a tensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.exporting import exporting, tracing
from hf_tome.core.ops.order import falling, rising

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

HALVES = (torch.float16, torch.bfloat16)

# How many scores of a sample are held at a time: 16 MiB in float32. Up to 4,096 tokens are matched in one go; beyond,
# the scores take no more room than a few channels of the tokens themselves.
MOST_SCORES = 2**22


def decide(
    metric: Float[Tensor, "batch heads tokens channels"],
    sizes: Float[Tensor, "batch tokens"] | None,
    padding: bool,
    r: int,
    protected: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `ops.decide`."""
    batch, _, tokens, _ = metric.shape
    if sizes is None:
        sizes = metric.new_ones(batch, tokens, dtype=torch.float32)
    sources, destinations = slice(protected + protected % 2, None, 2), slice(protected + 1 - protected % 2, None, 2)
    compared = unit(metric.mean(dim=1))
    padded = None if not padding else (sizes[:, sources] == 0, sizes[:, destinations] == 0)
    similarity, best = nearest(dot, compared[:, sources], compared[:, destinations], padded)
    place = torch.arange(tokens, device=metric.device).expand(batch, -1)
    plan = select(similarity, best, place[:, sources], place[:, destinations], r, protected)
    totals, shares = share(sizes, *plan)
    return *plan, totals, shares, totals.log().to(metric.dtype)[:, None, None]


def select(
    similarity: Float[Tensor, "batch sources"],
    best: Int[Tensor, "batch sources"],
    sources: Int[Tensor, "batch sources"],
    destinations: Int[Tensor, "batch destinations"],
    r: int,
    protected: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Leaders, joiners and targets of the merge of the r best proposals, in the order of `ops.decide`.

    Args:
        similarity: of each source to its best destination.
        best: the place of that among the destinations.
        sources, destinations: their places among the tokens.
    """
    order = falling(similarity)
    joining, kept = order[:, :r], order[:, r:]
    targets = best.gather(1, joining) + (protected + kept.shape[1])
    if protected:
        kept = rising(kept)
    front = torch.arange(protected, device=order.device).expand(order.shape[0], -1)
    return torch.cat([front, sources.gather(1, kept), destinations], dim=1), sources.gather(1, joining), targets


def nearest(
    score: Callable[[Tensor, Tensor], Tensor],
    a: Float[Tensor, "batch m channels"],
    b: Float[Tensor, "batch n channels"],
    padded: tuple[Bool[Tensor, "batch m"], Bool[Tensor, "batch n"]] | None = None,
) -> tuple[Float[Tensor, "batch m"], Int[Tensor, "batch m"]]:
    """The score of each row of `a` with its best row of `b`, and the index of that, the first of equals.

    Padding in `a` scores infinity, and padding in `b` minus infinity. The scores are computed for some rows at a time,
    so that long inputs never hold all of them.
    """
    parts = pieces(a, b.shape[1])
    if len(parts) == 1:
        return _nearest(score, a, b, padded)
    masks = [None] * len(parts) if padded is None else [(mask, padded[1]) for mask in pieces(padded[0], b.shape[1])]
    found = [_nearest(score, part, b, mask) for part, mask in zip(parts, masks, strict=True)]
    similarities, places = zip(*found, strict=True)
    return torch.cat(similarities, dim=1), torch.cat(places, dim=1)


def pieces(a: Tensor, width: int) -> tuple[Tensor, ...]:
    """The rows of `a` (batch, m, ...) in chunks with at most `MOST_SCORES` scores against `width` others."""
    return a.split(max(1, MOST_SCORES // max(1, width)), dim=1)


def _nearest(
    score: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor, padded: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor]:
    scores = score(a, b)  # (batch, m, n)
    if padded is not None:
        scores = scores.masked_fill(padded[1][:, None], -torch.inf).masked_fill(padded[0][:, :, None], torch.inf)
    similarity, best = scores.max(dim=-1)
    return similarity, best


def share(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """See `ops.share`."""
    joining = sizes.gather(1, joiners)
    totals = sizes.gather(1, leaders).scatter_add_(1, targets, joining)
    return totals, joining / totals.gather(1, targets).clamp_min_(torch.finfo(totals.dtype).tiny)


def merge(
    x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor, residual: Tensor | None = None
) -> Tensor:
    """See `ops.merge`. It copies the leaders, and touches only the rows that join one."""
    x = x if residual is None else x + residual
    (batch, tokens, features), count = x.shape, leaders.shape[1]
    flat, target = x.reshape(-1, features), rows(targets, count)
    out = flat.index_select(0, rows(leaders, tokens))
    joining, leading = flat.index_select(0, rows(joiners, tokens)), out.index_select(0, target)
    if x.dtype in HALVES:  # the difference of two such values can overflow
        joining, leading = joining.float(), leading.float()
    step = (joining - leading) * shares.to(joining.dtype).reshape(-1, 1)
    step = step.to(x.dtype)
    if exporting():  # OpenVINO reads no index_add_ in an exported program; elsewhere that is faster
        out = out.index_put((target,), step, accumulate=True)
    else:
        out.index_add_(0, target, step)
    return out.view(batch, count, features)


def compose(leaders: Sequence[Tensor], joiners: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """See `ops.compose`. From the last merge to the first, tokens inherit the final group of their group."""
    batch, count = leaders[-1].shape
    groups = torch.arange(count, device=leaders[-1].device).expand(batch, -1)
    for leading, joining, target in zip(reversed(leaders), reversed(joiners), reversed(targets), strict=True):
        tokens = leading.new_empty(batch, leading.shape[1] + joining.shape[1])
        groups = tokens.scatter_(1, leading, groups).scatter_(1, joining, groups.gather(1, target))
    return groups


def rows(index: Int[Tensor, "batch n"], tokens: int) -> Int[Tensor, " rows"]:
    """The rows of the tokens of `index` in a tensor flattened to (batch * tokens, ...)."""
    batch = index.shape[0]
    if batch == 1 and not tracing():  # a jit trace would fix this for all batch sizes
        return index[0]
    return (index + torch.arange(0, batch * tokens, tokens, device=index.device)[:, None]).reshape(-1)


def unit(metric: Float[Tensor, "*batch channels"]) -> Float[Tensor, "*batch channels"]:
    """The metric at length 1, in at least float32 whatever the model's dtype: in bf16 many similarities would tie."""
    metric = exact(metric)
    return metric / torch.linalg.vector_norm(metric, dim=-1, keepdim=True).clamp_min_(1e-12)  # a zero key gives 0


def exact(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The same numbers in at least float32."""
    return x if x.dtype == torch.float64 else x.float()


def dot(a: Float[Tensor, "batch m channels"], b: Float[Tensor, "batch n channels"]) -> Float[Tensor, "batch m n"]:
    """Dot products, in at least float32."""
    with outside_autocast(a.device.type):
        return torch.bmm(a, b.mT)


def outside_autocast(device: str) -> AbstractContextManager:
    """A context without autocast, which would round similarities to half precision whatever the dtype of the keys."""
    active = device != "meta" and torch.is_autocast_enabled(device)  # torch raises an error for meta
    return torch.autocast(device, enabled=False) if active else nullcontext()
