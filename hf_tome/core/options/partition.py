"""Which tokens are sources and which destinations (ToMe, table 1e)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from hf_tome.core.ops.order import falling, rising
from hf_tome.core.options.energy import by_energy
from hf_tome.core.options.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Int

    from hf_tome.core.options.candidates import Candidates

# Places of tokens, the same ones in each sample, or (batch, n) where they depend on the sample.
Parts = tuple["Int[Tensor, '*batch sources']", "Int[Tensor, '*batch destinations']"]


def alternating(candidates: Candidates) -> Parts:
    """Even positions of the sequence are sources, odd ones destinations. The paper's choice."""
    place, protected = candidates.places, candidates.protected
    return place[protected + protected % 2 :: 2], place[protected + 1 - protected % 2 :: 2]


def sequential(candidates: Candidates) -> Parts:
    """The first half are sources, the second half destinations. Of an odd number, the one in the middle is a source."""
    middle = (candidates.protected + candidates.tokens + 1) // 2
    return candidates.places[candidates.protected : middle], candidates.places[middle:]


def random(candidates: Candidates) -> Parts:
    """A random half are sources: another half in each layer, the same one in each sample and each forward."""
    place = candidates.places[candidates.protected :]
    order, half = falling(-candidates.draw()[candidates.protected :]), (len(place) + 1) // 2
    return place[rising(order[:half])], place[rising(order[half:])]


def energy(candidates: Candidates) -> Parts:
    """By turns in the order of how redundant the tokens are: each source has destinations that are as redundant.

    The split of PiToMe's tokens (arXiv 2405.16148, section 3.2), without its protection.
    """
    order = by_energy(candidates)
    return order[:, ::2], order[:, 1::2]


PARTITIONS: Registry[Callable[[Candidates], Parts]] = Registry(
    "partition", {"alternating": alternating, "sequential": sequential, "random": random, "energy": energy}
)
