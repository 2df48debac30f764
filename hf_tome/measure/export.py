"""A report as files: Markdown, JSON, CSV, a plot, and what a model card takes."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_tome.measure.card import card_data
from hf_tome.measure.plot import plot_tradeoff
from hf_tome.measure.row import Report, Row
from hf_tome.measure.table import LEGEND, markdown, summary, table


def export(report: Report, folder: Path) -> None:
    """Write `report.md`, `.json`, `.csv`, `.png` and `model-index.yaml` into a folder; older ones are replaced."""
    files = {
        "report.md": _page(report),
        "report.json": json.dumps(asdict(report), indent=1) + "\n",
        "model-index.yaml": card_data(report).to_yaml() + "\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    with (folder / "report.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(_numbers(report.rows[0])))
        writer.writeheader()
        writer.writerows(_numbers(row) for row in report.rows)
    plot_tradeoff(report, folder / "report.png")


def _page(report: Report) -> str:
    return (
        f"# {report.model} on {report.data}\n\n{markdown(*table(report))}\n\n{summary(report)} {LEGEND}\n\n"
        "![The table as a plot](report.png)\n"
    )


def _numbers(row: Row) -> dict[str, Any]:
    """A variant's figures, one value a column; shares in [0, 1], times in seconds."""
    ends = {"metric": row.interval, "change": row.change_interval, "speedup": row.spread}
    numbers: dict[str, Any] = {"variant": row.name, "settings": json.dumps(row.settings)}
    for name in ("metric", "change", "agreement", "kl", "inputs", "per_second", "speedup", "mac_ratio", "macs",
                 "latency", "peak_bytes"):  # fmt: skip
        numbers[name] = getattr(row, name)
        if name in ends:
            numbers[f"{name}_low"], numbers[f"{name}_high"] = ends[name] or (None, None)
    return {**numbers, "tokens": row.token_counts[0], "tokens_left": row.token_counts[-1]}
