"""`hf-tome families`: what is supported, and why the rest is not."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def families() -> None:
    """List the supported model families, and why others cannot be merged."""
    from hf_tome.families import FAMILIES, REFUSED

    console = Console()
    table = Table(title="Supported", title_justify="left")
    for column in ("model type", "modality", "tower", "protected tokens", "prop_attn by default"):
        table.add_column(column)
    for family in FAMILIES:
        default = "on" if family.prop_attn else "off"
        table.add_row(family.model_type, family.modality, ", ".join(family.towers), str(family.protected), default)
    console.print(table)
    refused = Table(title="Cannot be merged", title_justify="left")
    refused.add_column("model type")
    refused.add_column("why")
    for model_type, reason in REFUSED.items():
        refused.add_row(model_type, reason)
    console.print(refused)
    console.print("Any other family is not described yet: apply_tome refuses it. docs/families.md says how to add one.")
