"""One row a family: a tiny model, an input that it takes, and where its parts are."""

from __future__ import annotations

from row import Row
from rows_clip import CLIPs
from rows_language import TOWERs
from rows_packed import PACKED
from rows_sound import SOUNDs
from rows_video import VIDEOs
from rows_vit import DINOs, ViTs

from hf_tome.families import FAMILIES, Family

ROWS: tuple[Row, ...] = (*ViTs, *DINOs, *CLIPs, *TOWERs, *PACKED, *VIDEOs, *SOUNDs)


def family_of_row(row: Row) -> Family:
    return next(family for family in FAMILIES if family.model_type == row.model_type)


# Older versions of transformers lack some, or have them with other layers.
ZOO = tuple(row for row in ROWS if row.model is not None and not family_of_row(row).is_too_new)
