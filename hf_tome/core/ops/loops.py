"""Loops that numba compiles: the operations of a merge for small inputs on a CPU, one call each.

Between the matrix products of a model every operation of torch finds cold caches. For one small image that costs more
than the work in it. The loops run in the calling thread alone, and outside Python's lock. Each gives the bits of
`reference`, but for the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from torch import Tensor, int64

ANY_ORDER = {"contract", "reassoc", "nsz"}  # sums by vectors; what would make NaN or infinity undefined is left out
LEAST_LENGTH, LEAST_SIZE = np.float32(1e-12), np.float32(1.1754944e-38)
# Cosines lie in [-1, 1]. A padded source comes before every real one, a padded destination after; NaN comes first.
FIRST, LAST, NO_NUMBER = np.float32(2), np.float32(-2), np.float32(3)


def decide(metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int) -> tuple[Tensor, ...]:
    """See `ops.decide`."""
    batch, _, tokens, _ = metric.shape
    plan = [metric.new_empty(batch, count, dtype=int64) for count in (tokens - r, r, r)]
    plan += [metric.new_empty(batch, count) for count in (tokens - r, r)]
    sizes = metric.new_empty(batch, 0) if sizes is None else sizes
    _decide(metric.transpose(1, 2).numpy(), sizes.numpy(), padding, r, protected, *_arrays(*plan))
    return tuple(plan)


def share(sizes: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """See `ops.share`."""
    totals, shares = sizes.new_empty(leaders.shape), sizes.new_empty(joiners.shape)
    _share(*_arrays(sizes, leaders, joiners, targets, totals, shares))
    return totals, shares


def merge(x: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """See `ops.merge`."""
    out = x.new_empty(*leaders.shape, x.shape[2])
    _merge(*_arrays(x, leaders, joiners, targets, shares, out))
    return out


def follow(groups: Tensor, leaders: Tensor, joiners: Tensor, targets: Tensor) -> Tensor:
    """See `ops.follow`; in place."""
    _follow(*_arrays(groups, leaders, joiners, targets))
    return groups


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.numpy() for tensor in tensors]


def _compiled(loop: Callable[..., None], **options: Any) -> Callable[..., None]:
    """Compile at the first call, and keep the machine code on disk where there is a place to write."""
    options.update(nogil=True, error_model="numpy")
    try:
        return njit(cache=True, **options)(loop)
    except RuntimeError:  # no folder that numba could write to
        return njit(**options)(loop)


@_compiled
def _mean_of_heads(parts, out):
    """parts (tokens, heads, channels), out (tokens, channels)."""
    tokens, heads, channels = parts.shape
    part = np.float32(1) / np.float32(heads)
    for token in range(tokens):
        for channel in range(channels):
            out[token, channel] = parts[token, 0, channel]
        for head in range(1, heads):
            for channel in range(channels):
                out[token, channel] += parts[token, head, channel]
        for channel in range(channels):
            out[token, channel] *= part


def _any_order(loop: Callable[..., None]) -> Callable[..., None]:
    return _compiled(loop, fastmath=ANY_ORDER)


@_any_order
def _to_unit(metric):
    """The rows at length 1, in place; a zero row stays."""
    tokens, channels = metric.shape
    for token in range(tokens):
        square = np.float32(0)
        for channel in range(channels):
            square += metric[token, channel] * metric[token, channel]
        length = max(np.sqrt(square), LEAST_LENGTH)
        for channel in range(channels):
            metric[token, channel] /= length


@_any_order
def _propose(unit, sizes, padding, first_source, first_destination, falling, best):
    """The best destination of each source, the first of equals, and minus its similarity. NaN counts as the largest."""
    channels = unit.shape[1]
    for place in range(falling.shape[0]):
        source = unit[first_source + 2 * place]
        top, chosen = np.float32(-np.inf), 0
        for rival in range((unit.shape[0] - first_destination + 1) // 2):
            destination = unit[first_destination + 2 * rival]
            score = np.float32(0)
            for channel in range(channels):
                score += source[channel] * destination[channel]
            if score != score:
                score = NO_NUMBER
            if padding and sizes[first_destination + 2 * rival] == 0:
                score = LAST
            if score > top:
                top, chosen = score, rival
        if padding and sizes[first_source + 2 * place] == 0:
            top, chosen = FIRST, 0
        falling[place], best[place] = -top, chosen


@_compiled
def _select(order, best, r, protected, first_source, first_destination, leaders, joiners, targets):
    """Write the plan of one sample: the first r sources of `order` join, all else stays."""
    sources = order.shape[0]
    stays = np.ones(sources, np.bool_)
    for rank in range(r):
        stays[order[rank]] = False
    for token in range(protected):
        leaders[token] = token
    group = protected
    for rank in range(sources):  # in index order behind a protected token, else by falling similarity
        place = rank if protected > 0 else order[rank]
        if stays[place]:
            leaders[group] = first_source + 2 * place
            group += 1
    for place in range(leaders.shape[0] - group):
        leaders[group + place] = first_destination + 2 * place
    for rank in range(r):
        joiners[rank] = first_source + 2 * order[rank]
        targets[rank] = group + best[order[rank]]


@_compiled
def _check(batch, tokens, leaders, joiners, targets):
    """Refuse a plan that is not one of (batch, tokens): a loop would read beyond them."""
    if leaders.shape[0] != batch or joiners.shape[0] != batch or targets.shape != joiners.shape:
        raise IndexError("a plan is applied to as many samples as it was made for")
    for sample in range(batch):
        for group in range(leaders.shape[1]):
            if not 0 <= leaders[sample, group] < tokens:
                raise IndexError("a leader of a plan is none of the tokens")
        for joiner in range(joiners.shape[1]):
            if not (0 <= joiners[sample, joiner] < tokens and 0 <= targets[sample, joiner] < leaders.shape[1]):
                raise IndexError("a joiner of a plan is none of the tokens, or its target none of the groups")


@_compiled
def _share(sizes, leaders, joiners, targets, totals, shares):
    _check(sizes.shape[0], sizes.shape[1], leaders, joiners, targets)
    for sample in range(sizes.shape[0]):
        for group in range(leaders.shape[1]):
            totals[sample, group] = sizes[sample, leaders[sample, group]]
        for joiner in range(joiners.shape[1]):
            totals[sample, targets[sample, joiner]] += sizes[sample, joiners[sample, joiner]]
        for joiner in range(joiners.shape[1]):
            total = max(totals[sample, targets[sample, joiner]], LEAST_SIZE)
            shares[sample, joiner] = sizes[sample, joiners[sample, joiner]] / total


@_compiled
def _decide(parts, sizes, padding, r, protected, leaders, joiners, targets, totals, shares):
    """parts is (batch, tokens, heads, channels); sizes is (batch, 0) where each is 1."""
    batch, tokens, _, channels = parts.shape
    first_source, first_destination = protected + protected % 2, protected + 1 - protected % 2
    sources = (tokens - first_source + 1) // 2
    if not 0 < r <= min(sources, (tokens - first_destination + 1) // 2):
        raise IndexError("a matching joins at least one token, and at most half of those that are not protected")
    if sizes.shape[1] == 0:
        sizes = np.ones((batch, tokens), np.float32)
    metric = np.empty((tokens, channels), np.float32)
    falling, best = np.empty(sources, np.float32), np.empty(sources, np.int64)
    for sample in range(batch):
        _mean_of_heads(parts[sample], metric)
        _to_unit(metric)
        _propose(metric, sizes[sample], padding, first_source, first_destination, falling, best)
        order = np.argsort(falling, kind="mergesort")  # stable: equals in index order
        _select(
            order, best, r, protected, first_source, first_destination,
            leaders[sample], joiners[sample], targets[sample],
        )  # fmt: skip
    _share(sizes, leaders, joiners, targets, totals, shares)


@_compiled
def _merge(x, leaders, joiners, targets, shares, out):
    """The same operations in the same order as the reference, so the same bits."""
    _check(x.shape[0], x.shape[1], leaders, joiners, targets)
    for sample in range(x.shape[0]):
        for group in range(leaders.shape[1]):
            token = leaders[sample, group]
            for feature in range(x.shape[2]):
                out[sample, group, feature] = x[sample, token, feature]
        for joiner in range(joiners.shape[1]):
            group, part = targets[sample, joiner], shares[sample, joiner]
            joining, leading = joiners[sample, joiner], leaders[sample, group]
            for feature in range(x.shape[2]):
                out[sample, group, feature] += (x[sample, joining, feature] - x[sample, leading, feature]) * part


@_compiled
def _follow(groups, leaders, joiners, targets):
    into = np.empty(leaders.shape[1] + joiners.shape[1], np.int64)
    _check(groups.shape[0], into.shape[0], leaders, joiners, targets)
    for sample in range(groups.shape[0]):
        for group in range(leaders.shape[1]):
            into[leaders[sample, group]] = group
        for joiner in range(joiners.shape[1]):
            into[joiners[sample, joiner]] = targets[sample, joiner]
        for token in range(groups.shape[1]):
            groups[sample, token] = into[groups[sample, token]]
