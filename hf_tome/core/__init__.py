"""Token merging on plain tensors: matching, plan, schedule. Needs torch only."""

from hf_tome.core.matching import match_bipartite, max_merge
from hf_tome.core.plan import MergePlan, compose, spread
from hf_tome.core.schedule import Schedule

__all__ = ["MergePlan", "Schedule", "compose", "match_bipartite", "max_merge", "spread"]
