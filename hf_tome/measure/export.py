"""A report as files: Markdown, JSON, CSV, a plot, and what a model card takes; and read again."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.card import card_data
from hf_tome.measure.plot import plot_tradeoff
from hf_tome.measure.row import Report, Row
from hf_tome.measure.table import LEGEND, markdown, summary, table


def export(report: Report, folder: Path, log_samples: bool = False) -> None:
    """Write `report.md`, `.json`, `.csv`, `.png` and `model-index.yaml` into a folder; older ones are replaced.

    With `log_samples` also `changed.csv`: the samples whose answer a variant changed, with both answers.
    """
    plain = asdict(report)
    changed = plain.pop("changed")
    files = {
        "report.md": _page(report),
        "report.json": json.dumps(plain, indent=1) + "\n",
        "model-index.yaml": card_data(report).to_yaml() + "\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    _write_csv(folder / "report.csv", [_numbers(row) for row in report.rows])
    if log_samples:
        _write_csv(folder / "changed.csv", changed, ("sample", "label", "variant", "unmerged", "merged"))
    plot_tradeoff(report, folder / "report.png")


def read_report(path: Path) -> Report:
    """What `export` wrote into `report.json`. Raises ToMeValueError if the file holds no report."""
    try:
        content = json.loads((path / "report.json" if path.is_dir() else path).read_text(encoding="utf-8"))
        return Report(**{**content, "rows": [Row(**row) for row in content["rows"]]})
    except (OSError, ValueError, TypeError, KeyError) as error:
        rule = "A report is the report.json that `hf-tome eval` wrote, or its folder."
        raise ToMeValueError(complaint(rule, f"{path} ({error})", "Evaluate anew.")) from error


def _write_csv(path: Path, rows: list[dict[str, Any]], columns: Sequence[str] = ()) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


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
    return {**numbers, **row.more, "tokens": row.token_counts[0], "tokens_left": row.token_counts[-1]}
