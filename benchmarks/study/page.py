"""A study for people: Markdown, a plot, and JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from benchmarks.study.plot import plot
from benchmarks.study.run import Study
from benchmarks.study.tables import Table
from hf_tome.measure.row import Interval
from hf_tome.measure.table import markdown

READING = (
    "The drift is the mean KL divergence from the unmerged model, in thousandths of a nat. "
    "The 95 % intervals are of the paired bootstrap, against the package's own choice (bold)."
)


def write(study: Study, folder: Path) -> None:
    """study.md, study.json and study.png in a folder that exists."""
    rows = {table.name: {choice.name: asdict(row) for choice, row in study.rows(table)} for table in study.tables}
    numbers = {**asdict(study.report), "attention": study.attention, "default": study.default.to_dict(), "tables": rows}
    (folder / "study.json").write_text(json.dumps(numbers, indent=1) + "\n")
    (folder / "study.md").write_text(f"# Study\n\n{page(study)}\n![Drift of each choice](study.png)\n")
    plot(study, folder / "study.png")


def page(study: Study) -> str:
    """All tables, with what they were measured on."""
    parts = [f"{measured(study)} {READING}"]
    judged = (study.report.metric, f"{study.report.metric}, change") if study.report.metric else ()
    header = "", "paper", *judged, "drift", "drift, change", "speed-up"
    for table in study.tables:
        parts.append(f"## {table.title}\n\n{markdown(header, cells(study, table))}\n\n{verdict(study, table)}")
    return "\n\n".join(parts) + "\n"


def measured(study: Study) -> str:
    """What was measured, on what."""
    report = study.report
    ratios = [row.mac_ratio for row in report.rows[1:]]
    whole = "" if report.finished else f" of {report.total}"
    unmerged = "" if report.rows[0].metric is None else f" Unmerged: {report.rows[0].metric:.1%} {report.metric}."
    return (
        f"{report.model} on {report.data}: {report.samples}{whole} samples, r={study.default.r}, "
        f"MAC ratio of every choice {min(ratios):.2f}x to {max(ratios):.2f}x, {study.attention} attention.{unmerged}"
    )


def cells(study: Study, table: Table) -> list[tuple[str, ...]]:
    """The rows of a table, best in the paper first; the drift is in thousandths of a nat."""
    found = []
    for choice, row in study.rows(table):
        default = choice.setting == study.default
        judged = ()
        if row.metric is not None and row.change is not None and row.change_interval is not None:
            judged = f"{row.metric:.1%}", "" if default else _change(row.change, row.change_interval, 100)
        found.append((
            f"**{choice.name}**" if default else choice.name,
            "" if choice.paper is None else str(choice.paper),
            *judged,
            thousandths(row.kl),
            "" if default else _change(row.kl_change, row.kl_change_interval, 1000),
            f"{row.speedup:.2f}x",
        ))  # fmt: skip
    return found


def verdict(study: Study, table: Table) -> str:
    """How far the order of the choices is the paper's."""
    right, pairs = study.order(table)
    if not pairs:
        return "No paper gives figures for these."
    sides, sure = study.certain(table)
    return (
        f"By drift, {right} of {pairs} pairs are in the order of {table.source}. "
        f"Of the choices that it has, {sure} differ from the default beyond chance; {sides} of them to its side."
    )


def thousandths(drift: float) -> str:
    """A drift in thousandths of a nat, in two digits, or in whole ones from 100 on."""
    return f"{1000 * drift:.2g}" if drift < 0.0995 else f"{1000 * drift:.0f}"


def _change(value: float, interval: Interval, scale: float) -> str:
    low, high = interval
    return f"{scale * value:+.2g} ({scale * low:.2g} to {scale * high:.2g})"
