"""A matching, and what it reads of the other options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from hf_tome.core.options.candidates import Candidates
from hf_tome.core.options.importance import Importance
from hf_tome.core.plan import MergePlan
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

Plan = Callable[[Candidates], MergePlan | None]


@dataclass(frozen=True)
class Matching:
    """One way to decide which tokens merge.

    Attributes:
        plan: from the tokens of a layer to the merge, or None to merge nothing.
        combine: how groups are combined unless the user says otherwise.
        prop_attn: default of proportional attention; None leaves it to the family.
        attention: what it reads of the attention weights, which takes eager attention; None: nothing.
        distances: the distances that it can use; None: all.
        partitioned: whether it reads the partition.
        draws: whether it draws random numbers whatever the partition.
    """

    plan: Plan
    combine: str = "weighted_mean"
    prop_attn: bool | None = None
    attention: Importance | None = None
    distances: tuple[str, ...] | None = None
    partitioned: bool = False
    draws: bool = False


def checked(plan: Plan) -> Plan:
    """A user's matching, with a check of what it returns."""

    def checks(candidates: Candidates) -> MergePlan | None:
        with torch.no_grad():
            found = plan(candidates)
        if found is not None:
            _check(found, candidates)
        return found

    return checks


def _check(plan: MergePlan, candidates: Candidates) -> None:
    """Refuse what is no plan for these tokens, by a ToMeTypeError or ToMeValueError."""
    rule = "A matching returns a MergePlan in which each token is a leader or a joiner, or None."
    cure = "MergePlan.joining(joiners, onto, candidates.tokens) makes one."
    if not isinstance(plan, MergePlan):
        raise ToMeTypeError(complaint(rule, shown(plan), cure))
    leaders, joiners, targets = (tuple(index.shape) for index in (plan.leaders, plan.joiners, plan.targets))
    if (leaders[0], leaders[1] + joiners[1]) != tuple(candidates.metric.shape[:2]) or joiners != targets:
        raise ToMeValueError(complaint(rule, f"leaders {leaders}, joiners {joiners}, targets {targets}", cure))
