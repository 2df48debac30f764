"""What hf_tome knows of each model family, as data."""

from hf_tome.families.blocks import Block
from hf_tome.families.family import Family, Mask, OwnAttention, Refusal
from hf_tome.families.refused import REFUSED, parts_of
from hf_tome.families.table import FAMILIES, GROUPS, family_named, family_of, tower_in, widths_of

__all__ = [
    "FAMILIES",
    "GROUPS",
    "REFUSED",
    "Block",
    "Family",
    "Mask",
    "OwnAttention",
    "Refusal",
    "family_named",
    "family_of",
    "parts_of",
    "tower_in",
    "widths_of",
]
