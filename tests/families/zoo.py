"""One row a family: a tiny model, an input that it takes, and where its parts are."""

from __future__ import annotations

from row import Row
from rows_clip import CLIPs
from rows_language import TOWERs
from rows_sound import SOUNDs
from rows_video import VIDEOs
from rows_vit import DINOs, ViTs

# Older versions of transformers lack some.
ZOO: tuple[Row, ...] = tuple(row for row in (*ViTs, *DINOs, *CLIPs, *TOWERs, *VIDEOs, *SOUNDs) if row.model is not None)
