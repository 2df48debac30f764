"""The page of the accuracy benchmark: tables and plots, from its results."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pages import ROOT, write_block
from hf_tome.measure.plot import MARKERS
from hf_tome.measure.row import Interval, Row
from hf_tome.measure.statistics import NORMAL
from hf_tome.measure.table import markdown

PAGE, IMAGES = ROOT / "docs/results/accuracy.md", ROOT / "docs/images"
HEADER = ("MAC ratio", "schedule", "change of accuracy", "same prediction", "KL divergence")
COMMAND = "python -m benchmarks.recorded.accuracy"
LEFT_OUT = (4, 8, 12, 20)  # of the table; the plot has them
Series = dict[str, list[Row]]


def write_page(found: dict[str, Any]) -> None:
    """Write the table and the plot."""
    series = schedules(rows_of(found["vit"]), found)
    write_block(PAGE, "vit", f"{table(series)}\n\n{source(found)}")
    plot(series, IMAGES / "accuracy-vit.png")


def rows_of(report: dict[str, Any]) -> list[Row]:
    return [Row(**row) for row in report["rows"]]


def schedules(rows: list[Row], found: dict[str, Any]) -> Series:
    """The rows of the ViT by the kind of their schedule; each kind begins with the unmerged model."""
    settings = [row.settings or {} for row in rows]
    tuned = [each["r"] for name, each in found.items() if name.startswith("tuned/")]
    kinds = {
        "constant": lambda each: each["prop_attn"] is True and isinstance(each["r"], int),
        "constant, no prop_attn": lambda each: each["prop_attn"] is False,
        "tuned": lambda each: each["r"] in tuned,
        "decreasing": lambda each: isinstance(each["r"], list) and each["r"] not in tuned,
    }
    return {
        name: [rows[0], *(row for row, each in zip(rows, settings, strict=True) if each and belongs(each))]
        for name, belongs in kinds.items()
    }


def table(series: Series) -> str:
    """A row for each schedule, those of about as many multiply-adds beside each other."""
    merged = [(name, row) for name, rows in series.items() for row in rows[1:] if row.r not in LEFT_OUT]
    merged.sort(key=lambda each: round(each[1].mac_ratio, 1))
    return markdown(HEADER, [line(name, row) for name, row in merged])


def line(name: str, row: Row) -> tuple[str, ...]:
    """What a schedule gave; the interval of the change in brackets."""
    return (
        f"{row.mac_ratio:.2f}x",
        f"{name}, r={row.r}" if isinstance(row.r, int) else name,
        f"{points(row.change or 0)} ({' to '.join(map(points, row.change_interval or ()))})",
        f"{row.agreement:.1%}",
        f"{row.kl:.2g}",
    )


def source(found: dict[str, Any]) -> str:
    report = found["vit"]
    about = f"{report['samples']} images, of which the unmerged model names {report['rows'][0]['metric']:.1%} rightly."
    return f"Measured by `{COMMAND}`: {about}"


def points(share: float) -> str:
    """A change, in points of 100."""
    return f"{100 * share:+.1f}"


def likely(share: float, count: int) -> Interval:
    """The 95 % interval of a share of `count` samples (Wilson 1927): it has a width also where all agree."""
    middle = (share + NORMAL**2 / (2 * count)) / (1 + NORMAL**2 / count)
    half = NORMAL * math.sqrt(share * (1 - share) / count + (NORMAL / (2 * count)) ** 2) / (1 + NORMAL**2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def plot(series: Series, out: Path) -> None:
    """Change of accuracy and agreement against the MAC ratio, each with its interval."""
    figure = Figure(figsize=(7.5, 7), layout="constrained")
    change, same = figure.subplots(2, 1)
    for number, (name, rows) in enumerate(series.items()):
        ordered = sorted(rows, key=lambda row: row.mac_ratio)
        across = [row.mac_ratio + 0.006 * number for row in ordered]  # beside each other, not on top
        curve(change, across, [(row.change or 0, row.change_interval or (0, 0)) for row in ordered], number, name)
        shares = [(row.agreement, (1, 1) if row.r is None else likely(row.agreement, row.inputs)) for row in ordered]
        curve(same, across, shares, number, name)
    change.set_ylabel("change of accuracy, points")
    same.set_ylabel("same prediction, %")
    for axes in (change, same):
        axes.set_xlabel("MAC ratio: times fewer multiply-adds")
        axes.grid(alpha=0.3)
    same.legend(fontsize=8, loc="lower left")
    figure.savefig(out, dpi=130)


def curve(axes: Axes, across: list[float], values: list[tuple[float, Interval]], number: int, name: str) -> None:
    """One line of a plot, in points of 100."""
    bars = [[100 * max(0, value - low), 100 * max(0, high - value)] for value, (low, high) in values]
    heights = [100 * value for value, _ in values]
    axes.errorbar(
        across, heights, yerr=list(zip(*bars, strict=True)), marker=MARKERS[number], linewidth=1, capsize=3, label=name
    )
