"""What hf_tome knows of each model family, as data."""

from hf_tome.families.blocks import Block
from hf_tome.families.family import Family
from hf_tome.families.table import FAMILIES, REFUSED, family_of

__all__ = ["FAMILIES", "REFUSED", "Block", "Family", "family_of"]
