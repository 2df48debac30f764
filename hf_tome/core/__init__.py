"""Token merging on plain tensors: matching, plan, schedule, patch grid. Needs torch only."""

from hf_tome.core.grid import Grid, PatchGrid
from hf_tome.core.ops.matching import match_bipartite, max_merge
from hf_tome.core.options.candidates import Given
from hf_tome.core.options.matchings import register_matching
from hf_tome.core.options.recipe import Recipe
from hf_tome.core.plan import MergePlan, compose, spread
from hf_tome.core.schedule import Schedule

__all__ = [
    "Given",
    "Grid",
    "MergePlan",
    "PatchGrid",
    "Recipe",
    "Schedule",
    "compose",
    "match_bipartite",
    "max_merge",
    "register_matching",
    "spread",
]
