"""The options of a merge, each looked up by its name and checked against the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from hf_tome.core.options.candidates import Candidates
from hf_tome.core.options.combine import COMBINES, Combine, by_size
from hf_tome.core.options.distance import DISTANCES, Distance
from hf_tome.core.options.matchings import MATCHINGS, Matching
from hf_tome.core.options.partition import PARTITIONS
from hf_tome.core.options.registry import Registry
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

METRICS = Registry("metric", {name: name in ("k", "q", "v") for name in ("k", "q", "v", "x", "x_pre")})  # has heads?
HEADS = Registry("heads", {"mean": None, "concat": None})
SEEDS = 2**32
PAPER = "cosine", "alternating", "bipartite"


@dataclass(eq=False)
class Recipe:
    """The options of a merge, with the functions that their names stand for.

    Attributes:
        metric: what tokens are compared by.
        heads: "mean" or "concat".
        distance: how similar two tokens are.
        partition: which are sources and which destinations.
        matching: which merge.
        combines: what a group becomes; one for all layers, or one for each.
        seed: of what is drawn at random.
        paper: whether `core.ops.decide` computes these options: all but metric and heads are the paper's.
    """

    metric: str
    heads: str
    distance: Distance
    partition: Callable[[Candidates], tuple[Tensor, Tensor]]
    matching: Matching
    combines: list[Combine]
    seed: int
    paper: bool

    @classmethod
    def of(
        cls, metric: Any, heads: Any, distance: Any, partition: Any, matching: Any, combine: Any, seed: Any
    ) -> Recipe:
        """Look the names up. See `ToMeConfig` for what they may be.

        Raises:
            ToMeTypeError, ToMeValueError: if a name is unknown, or two choices make no sense together.
        """
        has_heads, chosen = METRICS[metric], MATCHINGS[matching]
        HEADS[heads]
        if heads != "mean" and not has_heads:
            rule = "heads says what becomes of the heads of k, q and v; x and x_pre have none."
            raise ToMeValueError(complaint(rule, f"metric={metric!r}, heads={heads!r}", "Leave heads out."))
        found = cls(
            metric=metric,
            heads=heads,
            distance=DISTANCES[distance],
            partition=PARTITIONS[partition],
            matching=chosen,
            combines=(combines := _combines(chosen.combine if combine is None else combine)),
            seed=_seed(seed),
            paper=(distance, partition, matching) == PAPER and all(c.share is by_size for c in combines),
        )
        if chosen.distances is not None and distance not in chosen.distances:
            rule = f"matching={matching!r} takes distance in {', '.join(chosen.distances)}."
            raise ToMeValueError(complaint(rule, f"distance={distance!r}", "Leave distance out."))
        if partition != "alternating" and not chosen.partitioned:
            rule = f"matching={matching!r} has no partition to choose."
            raise ToMeValueError(complaint(rule, f"partition={partition!r}", "Leave partition out."))
        if seed != 0 and partition != "random" and not chosen.draws:
            rule = "seed is that of partition='random' and of matching='random_prune'; nothing else is drawn."
            raise ToMeValueError(complaint(rule, f"seed={seed}", "Leave seed out."))
        return found

    def combine(self, layer: int) -> Combine:
        """What a group becomes in that layer."""
        return self.combines[layer if len(self.combines) > 1 else 0]

    def check_layers(self, layers: int) -> None:
        """Refuse a list of combines that does not fit the model's depth."""
        if len(self.combines) not in (1, layers):
            rule = f"A list combine has one entry per layer; this model has {layers} layers."
            raise ToMeValueError(complaint(rule, f"{len(self.combines)} entries", "Or give one name for all."))


def _combines(combine: Any) -> list[Combine]:
    if isinstance(combine, list):
        if not combine:
            raise ToMeValueError(complaint("combine is a name, or a list with one per layer.", combine, "Give one."))
        return [COMBINES[name] for name in combine]
    return [COMBINES[combine]]


def _seed(seed: Any) -> int:
    rule = "seed is an int from 0 to 2**32 - 1."
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ToMeTypeError(complaint(rule, shown(seed), "Leave it out for 0."))
    if not 0 <= seed < SEEDS:
        raise ToMeValueError(complaint(rule, shown(seed), "Leave it out for 0."))
    return seed
