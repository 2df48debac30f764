"""Which tokens merge: bipartite soft matching and its rivals, behind one name each, and a user's own."""

from __future__ import annotations

from hf_tome.core.options.combine import COMBINES
from hf_tome.core.options.importance import page_rank, received
from hf_tome.core.options.matchings.bipartite import bipartite, kth
from hf_tome.core.options.matchings.greedy import greedy
from hf_tome.core.options.matchings.kmeans import kmeans
from hf_tome.core.options.matchings.matching import Matching, Plan, checked
from hf_tome.core.options.matchings.pitome import pitome, pitome_late
from hf_tome.core.options.matchings.prune import attention_prune, evit, random_prune
from hf_tome.core.options.registry import Registry
from hf_tome.errors import ToMeTypeError, complaint, shown

__all__ = ["MATCHINGS", "Matching", "register_matching"]

MATCHINGS = Registry(
    "matching",
    {
        "bipartite": Matching(bipartite, partitioned=True),
        "kth": Matching(kth),
        "greedy": Matching(greedy, distances=("cosine", "euclidean", "dot")),  # a softmax has a direction, a pair none
        "kmeans": Matching(kmeans, distances=("cosine", "euclidean")),
        "pitome": Matching(pitome, distances=("cosine",)),
        "pitome_late": Matching(pitome_late, distances=("cosine",)),
        "random_prune": Matching(random_prune, combine="keep", prop_attn=False, draws=True),
        "attention_prune": Matching(attention_prune, combine="keep", prop_attn=False, attention=received),
        "pagerank_prune": Matching(attention_prune, combine="keep", prop_attn=False, attention=page_rank),
        "evit": Matching(evit, attention=received),
    },
)


def register_matching(name: str, plan: Plan, *, combine: str = "weighted_mean", attention: bool = False) -> None:
    """Give a matching of your own a name, for `apply_tome(model, r, matching=name)`.

    It must be registered in each process that runs the model: saved settings hold the name alone. A second call with
    the same name replaces the first.

    Args:
        name: a word that the package does not use itself.
        plan: from a `Candidates`, the tokens of one layer, to a `MergePlan`, or None to merge nothing there. It runs
            without gradients.
        combine: how groups are combined unless the user says otherwise.
        attention: whether it reads `candidates.attention`, which takes eager attention.

    Raises:
        ToMeTypeError, ToMeValueError: if the name or `plan` is not as said here, or `combine` has no such choice.
    """
    if not callable(plan):
        raise ToMeTypeError(complaint("A matching is a function of a Candidates.", shown(plan), "Pass a function."))
    COMBINES[combine]
    MATCHINGS.register(
        name, Matching(checked(plan), combine, attention=received if attention else None, partitioned=True, draws=True)
    )
