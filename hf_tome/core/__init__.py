"""Token merging on plain tensors: matching, plan, schedule, patch grid. Needs torch only."""

from hf_tome.core.bipartite import match_bipartite
from hf_tome.core.grid import Grid, PatchGrid
from hf_tome.core.options.candidates import Candidates
from hf_tome.core.options.matchings import register_matching
from hf_tome.core.options.recipe import Recipe
from hf_tome.core.plan import MergePlan, compose, spread
from hf_tome.core.schedule import Schedule, max_merge

__all__ = [
    "Candidates",
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
