"""Matchings that were tried and did not become options, written as a user would write them: see results/quality.md."""

from __future__ import annotations

import torch
from torch import Tensor

from hf_tome import register_matching
from hf_tome.core import Candidates, MergePlan
from hf_tome.core.ops.order import falling

PENALTY = 0.03  # of the score: for each nat of size, or each mean attention that a token receives
PRUNED = 0.25  # of the r tokens, by importance

ALTERNATING = slice(1, None, 2), slice(0, None, 2)  # sources and destinations behind the protected tokens


def in_order(given: Candidates) -> MergePlan:
    """The paper's matching, after which tokens stand in index order: neighbours meet again in the next layer."""
    return _best(given, None)


def small_first(given: Candidates) -> MergePlan:
    """The same with a penalty that grows with the logarithm of the sizes (after MCTF)."""
    logs = given.sizes.clamp_min(1).log()
    return _best(given, logs)


def unattended_first(given: Candidates) -> MergePlan:
    """The same with a penalty for the attention that a source receives from the class token."""
    assert given.attention is not None
    return _best(given, given.attention / given.attention.mean(dim=1, keepdim=True), destinations=False)


def nearest_first(given: Candidates) -> MergePlan:
    """No partition: the r best edges from a token to its nearest, pairs that are each other's nearest once (MPM)."""
    places = given.places[given.protected :]
    scores = given.scores(given.rows(places), given.rows(places))
    scores.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    similarity, nearest = scores.max(dim=-1)
    place = torch.arange(len(places), device=places.device).expand_as(nearest)
    twice = (nearest.gather(1, nearest) == place) & (place < nearest)
    joiners = falling(similarity.masked_fill(twice, -torch.inf))[:, : given.r]
    root = place.scatter(1, joiners, nearest.gather(1, joiners))
    for _ in range(len(places).bit_length()):  # chains end at a token that stays
        root = root.gather(1, root)
    return MergePlan.joining(joiners + given.protected, root.gather(1, joiners) + given.protected, given.tokens)


def pruned_and_merged(given: Candidates) -> MergePlan:
    """A quarter of r by the least attention of the class token, each into its nearest; then the paper's (DiffRate)."""
    assert given.attention is not None
    sources, destinations = (given.rows(given.places[given.protected :][part]) for part in ALTERNATING)
    similarity, best = given.nearest(sources, destinations)
    least = falling(-given.attention.gather(1, sources))[:, : int(PRUNED * given.r)]
    joining = falling(similarity.scatter(1, least, torch.inf))[:, : given.r]
    return MergePlan.joining(sources.gather(1, joining), destinations.gather(1, best.gather(1, joining)), given.tokens)


def _best(given: Candidates, cost: Tensor | None, destinations: bool = True) -> MergePlan:
    """The r best proposals by the score less `PENALTY` times the cost of source and destination."""
    from_, to = (given.rows(given.places[given.protected :][part]) for part in ALTERNATING)
    scores = given.scores(from_, to)
    if cost is not None:
        scores = scores - PENALTY * cost.gather(1, from_)[:, :, None]
        scores = scores - PENALTY * cost.gather(1, to)[:, None] if destinations else scores
    similarity, best = scores.max(dim=-1)
    joining = falling(similarity)[:, : given.r]
    return MergePlan.joining(from_.gather(1, joining), to.gather(1, best.gather(1, joining)), given.tokens)


TRIALS = {  # and whether they read the attention
    in_order: False, small_first: False, nearest_first: False, unattended_first: True, pruned_and_merged: True,
}  # fmt: skip


def register_trials() -> None:
    """Name them for `apply_tome(model, r, matching=NAME)`."""
    for matching, attention in TRIALS.items():
        register_matching(matching.__name__, matching, attention=attention)
