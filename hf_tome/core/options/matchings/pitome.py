"""Matching that protects what is informative (PiToMe, arXiv 2405.16148, section 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hf_tome.core.options.energy import by_energy
from hf_tome.core.options.matchings.bipartite import best_proposals
from hf_tome.core.options.partition import energy
from hf_tome.core.plan import MergePlan

if TYPE_CHECKING:
    from hf_tome.core.options.candidates import Candidates


def pitome(candidates: Candidates) -> MergePlan:
    """Only the 2 r tokens of the highest energy may merge. By turns they are sources and destinations; all r merge."""
    order = by_energy(candidates)[:, : 2 * candidates.r]
    sources, destinations = order[:, ::2], order[:, 1::2]
    _, best = candidates.nearest(sources, destinations)
    return MergePlan.joining(sources, destinations.gather(1, best), candidates.tokens)


def pitome_late(candidates: Candidates) -> MergePlan:
    """`pitome` in the second half of the layers; before it, the r best proposals among all tokens in order of energy.

    This is what the code of PiToMe's authors does with supervised models.
    """
    if 2 * candidates.layer < candidates.layers:
        return best_proposals(candidates, *energy(candidates))
    return pitome(candidates)
