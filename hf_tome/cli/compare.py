"""`hf-tome compare`: reports of `hf-tome eval` side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hf_tome.cli.tables import table

if TYPE_CHECKING:
    from hf_tome.measure.row import Report, Row


def compare(
    reports: Annotated[list[Path], typer.Argument(help="report.json files of `hf-tome eval`, or their folders.")],
) -> None:
    """Compare reports of `hf-tome eval`: a line for each variant, a column for each report."""
    from hf_tome.measure.export import read_report
    from hf_tome.measure.table import FIGURES

    console, read = Console(), [read_report(path) for path in reports]
    letters = [chr(ord("a") + number) for number in range(len(read))]
    for letter, path, each in zip(letters, reports, read, strict=True):
        console.print(f"{letter}: {path}, {_about(each)}", highlight=False, soft_wrap=True)
    names = dict.fromkeys(row.name for each in read for row in each.rows)
    found = [{row.name: row for row in each.rows} for each in read]
    metric = read[0].metric or "agreement"
    header = ["variant", *(f"{metric} {letter}" for letter in letters), *(["b - a"] if len(read) == 2 else []),
              *(f"per second {letter}" for letter in letters)]  # fmt: skip
    rows = []
    for name in names:
        each = [rows_of.get(name) for rows_of in found]
        shares = [None if row is None else _share(row) for row in each]
        both = len(shares) == 2 and None not in shares
        change = [f"{100 * (shares[1] - shares[0]):+.1f}" if both else ""] if len(read) == 2 else []  # pyright: ignore
        rates = ["" if row is None else f"{row.per_second:.3g}" for row in each]
        texts = ["" if row is None else FIGURES["agreement" if row.metric is None else "metric"](row) for row in each]
        rows.append([name, *texts, *change, *rates])
    console.print(table("", header, rows, box=None))
    if len({(each.data, each.samples, each.metric) for each in read}) > 1:
        console.print("Not the same data or metric: the differences tell little.")
    if len({str(each.machine) for each in read}) > 1:
        console.print("Not the same machine or versions: times cannot be compared.")


def _about(report: Report) -> str:
    from hf_tome.data.folder import NAMES

    return f"{report.model} on {report.data}, {report.samples} {NAMES[report.modality]}"


def _share(row: Row) -> float:
    return row.agreement if row.metric is None else row.metric
