"""Which tokens are sources and which destinations (ToMe, table 1e)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from hf_tome.core.options.energy import by_energy
from hf_tome.core.options.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Int

    from hf_tome.core.options.candidates import Given

# Places of tokens, the same ones in each sample, or (batch, n) where they depend on the sample.
Parts = tuple["Int[Tensor, '*batch sources']", "Int[Tensor, '*batch destinations']"]


def alternating(given: Given) -> Parts:
    """Even positions of the sequence are sources, odd ones destinations. The paper's choice."""
    place, protected = given.places, given.protected
    return place[protected + protected % 2 :: 2], place[protected + 1 - protected % 2 :: 2]


def sequential(given: Given) -> Parts:
    """The first half are sources, the second half destinations. Of an odd number, the one in the middle is a source."""
    middle = (given.protected + given.tokens + 1) // 2
    return given.places[given.protected : middle], given.places[middle:]


def random(given: Given) -> Parts:
    """A random half are sources: another half in each layer, the same one in each sample and each forward."""
    place = given.places[given.protected :]
    order, half = given.draw()[given.protected :].argsort(stable=True), (len(place) + 1) // 2
    return place[order[:half].sort().values], place[order[half:].sort().values]


def energy(given: Given) -> Parts:
    """By turns in the order of how redundant the tokens are: each source has destinations that are as redundant.

    The split of PiToMe's tokens (arXiv 2405.16148, section 3.2), without its protection.
    """
    order = by_energy(given)
    return order[:, ::2], order[:, 1::2]


PARTITIONS: Registry[Callable[[Given], Parts]] = Registry(
    "partition", {"alternating": alternating, "sequential": sequential, "random": random, "energy": energy}
)
