"""Loops that numba compiles: the matching and the merging of a small input on a CPU, one call each.

They run in the calling thread alone, and outside Python's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numba import njit

Loop = Callable[..., None]

ANY_ORDER = {"contract", "reassoc", "nsz"}  # sums by vectors; what would make NaN or infinity undefined is left out
LEAST_LENGTH, LEAST_SIZE = np.float32(1e-12), np.float32(1.1754944e-38)
FIRST, LAST, NO_NUMBER = np.float32(2), np.float32(-2), np.float32(3)  # as in `core.matching`; NaN counts as largest


def compiled(loop: Loop, **options: Any) -> Loop:
    """Compile at the first call, and keep the machine code on disk where there is a place to write."""
    options.update(nogil=True, error_model="numpy")
    try:
        return njit(cache=True, **options)(loop)
    except RuntimeError:  # no folder that numba could write to
        return njit(**options)(loop)


compiled_in_any_order = partial(compiled, fastmath=ANY_ORDER)


@compiled
def mean(part, out):
    """The mean over the heads: part (batch, tokens, heads, channels), out (batch, tokens, channels)."""
    batch, tokens, heads, channels = part.shape
    share = np.float32(1) / np.float32(heads)
    for sample in range(batch):
        for token in range(tokens):
            for channel in range(channels):
                out[sample, token, channel] = part[sample, token, 0, channel]
            for head in range(1, heads):
                for channel in range(channels):
                    out[sample, token, channel] += part[sample, token, head, channel]
            for channel in range(channels):
                out[sample, token, channel] *= share


@compiled_in_any_order
def _unit(metric, out):
    """The rows of one sample at length 1; a zero row stays."""
    tokens, channels = metric.shape
    for token in range(tokens):
        square = np.float32(0)
        for channel in range(channels):
            square += metric[token, channel] * metric[token, channel]
        length = max(np.sqrt(square), LEAST_LENGTH)
        for channel in range(channels):
            out[token, channel] = metric[token, channel] / length


@compiled_in_any_order
def _propose(unit, padded, first_source, first_destination, similarity, best):
    """The best destination of each source of one sample, the first of equals, and minus its similarity."""
    channels = unit.shape[1]
    for place in range(similarity.shape[0]):
        source = unit[first_source + 2 * place]
        top, chosen = np.float32(-np.inf), 0
        for rival in range((unit.shape[0] - first_destination + 1) // 2):
            destination = unit[first_destination + 2 * rival]
            score = np.float32(0)
            for channel in range(channels):
                score += source[channel] * destination[channel]
            if score != score:
                score = NO_NUMBER
            if padded.shape[0] > 0 and padded[first_destination + 2 * rival]:
                score = LAST
            if score > top:
                top, chosen = score, rival
        if padded.shape[0] > 0 and padded[first_source + 2 * place]:
            top, chosen = FIRST, 0
        similarity[place], best[place] = -top, chosen


@compiled
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


@compiled
def match(metric, padded, r, protected, leaders, joiners, targets):
    """The plan of `match_bipartite`; padded is (batch, tokens), or (batch, 0) where nothing is padding."""
    batch, tokens, channels = metric.shape
    first_source, first_destination = protected + protected % 2, protected + 1 - protected % 2
    sources = (tokens - first_source + 1) // 2
    if not 0 < r <= min(sources, (tokens - first_destination + 1) // 2):
        raise IndexError("a matching joins at least one token, and at most half of those that are not protected")
    unit = np.empty((tokens, channels), np.float32)
    similarity, best = np.empty(sources, np.float32), np.empty(sources, np.int64)
    for sample in range(batch):
        _unit(metric[sample], unit)
        _propose(unit, padded[sample], first_source, first_destination, similarity, best)
        order = np.argsort(similarity, kind="mergesort")  # stable: equals in index order
        _select(
            order, best, r, protected, first_source, first_destination,
            leaders[sample], joiners[sample], targets[sample],
        )  # fmt: skip


@compiled
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


@compiled
def share(sizes, leaders, joiners, targets, totals, shares):
    """See `MergePlan.share`."""
    _check(sizes.shape[0], sizes.shape[1], leaders, joiners, targets)
    for sample in range(sizes.shape[0]):
        for group in range(leaders.shape[1]):
            totals[sample, group] = sizes[sample, leaders[sample, group]]
        for joiner in range(joiners.shape[1]):
            totals[sample, targets[sample, joiner]] += sizes[sample, joiners[sample, joiner]]
        for joiner in range(joiners.shape[1]):
            total = max(totals[sample, targets[sample, joiner]], LEAST_SIZE)
            shares[sample, joiner] = sizes[sample, joiners[sample, joiner]] / total


@compiled
def decide(keys, sizes, padding, r, protected, leaders, joiners, targets, totals, shares):
    """The merge by the mean of the keys (batch, tokens, heads, channels), and the shares; sizes (batch, 0) are 1."""
    batch, tokens, _, channels = keys.shape
    metric = np.empty((batch, tokens, channels), np.float32)
    mean(keys, metric)
    if sizes.shape[1] == 0:
        sizes = np.ones((batch, tokens), np.float32)
    padded = np.empty((batch, tokens if padding else 0), np.bool_)
    for sample in range(batch):
        for token in range(padded.shape[1]):
            padded[sample, token] = sizes[sample, token] == 0
    match(metric, padded, r, protected, leaders, joiners, targets)
    share(sizes, leaders, joiners, targets, totals, shares)


@compiled
def merge(x, leaders, joiners, targets, shares, out):
    """See `MergePlan.merge`: the same operations in the same order, so the same bits."""
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


@compiled
def follow(groups, leaders, joiners, targets):
    """Each group of `groups` (batch, first tokens) becomes the one that it goes into, as `compose` does it."""
    into = np.empty(leaders.shape[1] + joiners.shape[1], np.int64)
    _check(groups.shape[0], into.shape[0], leaders, joiners, targets)
    for sample in range(groups.shape[0]):
        for group in range(leaders.shape[1]):
            into[leaders[sample, group]] = group
        for joiner in range(joiners.shape[1]):
            into[joiners[sample, joiner]] = targets[sample, joiner]
        for token in range(groups.shape[1]):
            groups[sample, token] = into[groups[sample, token]]
