"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table


def table(title: str, header: Iterable[str], rows: Sequence[Sequence[str]], **options: Any) -> Table:
    """Header and rows, columns to the right; `options` are those of `rich.table.Table`."""
    made = Table(title=title, **options)
    for name in header:
        made.add_column(name, justify="right")
    for row in rows:
        made.add_row(*row)
    return made
