"""Pictures of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hf_tome.data.extra import extra
from hf_tome.data.folder import NAMES
from hf_tome.measure.output import check_out
from hf_tome.measure.row import Report, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
MARKERS = "osD^vP*Xp"


def check_plot(out: Path) -> None:
    """Raise ToMeError, before any work is done, where no plot can be written or matplotlib is missing."""
    check_out(out, SUFFIXES)
    with extra("viz", "draw a plot"):
        import matplotlib  # noqa: F401


def plot_speed(groups: dict[str, Sequence[Row]], out: Path) -> None:
    """Speed-up against MAC ratio, with quartiles, and the line on which one is the other.

    Args:
        groups: rows of `measure` by what they are called in the legend; untouched models are left out.
        out: where to write it.
    """
    figure, axes = _axes(
        out, "MAC ratio: times fewer multiply-adds", "speed-up (median and quartiles of paired rounds)"
    )
    from matplotlib import colormaps

    most, shades = 1.0, colormaps["tab20"].colors  # pyright: ignore[reportAttributeAccessIssue]
    colors = [*shades[::2], *shades[1::2]]  # the usual ten, then their lighter ones
    for number, (name, rows) in enumerate(groups.items()):
        rows = sorted((row for row in rows if row.r is not None), key=lambda row: row.mac_ratio)
        ratios, speedups = [row.mac_ratio for row in rows], [row.speedup for row in rows]
        below = [row.speedup - row.spread[0] for row in rows]
        above = [row.spread[1] - row.speedup for row in rows]
        marker, color = MARKERS[number % len(MARKERS)], colors[number % len(colors)]
        axes.errorbar(ratios, speedups, yerr=[below, above], fmt=marker, color=color, capsize=3, label=name)
        most = max(most, *ratios, *speedups)
    axes.plot([1, most], [1, most], color="grey", linestyle="--", label="speed-up = MAC ratio")
    axes.axhline(1, color="lightgrey", linewidth=1, zorder=0)
    axes.legend(fontsize=8)
    figure.savefig(out, dpi=150)


def plot_tradeoff(report: Report, out: Path) -> None:
    """Accuracy, mAP or, without labels, the agreement with the unmerged model, against inputs per second.

    Thin upright bars are 95 % intervals, thick ones those of the change from the unmerged model; level ones are the
    quartiles of the paired speed-ups. Variants that differ in r alone have one colour and a line.
    """
    metric = f"{report.metric or 'same prediction as unmerged'} (%)"
    figure, axes = _axes(out, f"{NAMES[report.modality]} per second", metric)
    series: dict[str, list[Row]] = {"unmerged": report.rows[:1]}
    for row in report.rows[1:]:
        series.setdefault(row.name.partition(", ")[2] or "merged", []).append(row)
    for number, (name, rows) in enumerate(series.items()):
        _points(axes, sorted(rows, key=lambda row: row.per_second), number, name)
    axes.axhline(_height(report.rows[0]), color="grey", linestyle="--", linewidth=1, zorder=0)
    upright = "" if report.metric is None else "; upright: 95 % interval, thick: that of the change from unmerged"
    axes.set_title(f"level bars: quartiles of the paired speed-up{upright}", fontsize=8)
    axes.legend(fontsize=8)
    figure.savefig(out, dpi=150)


def _axes(out: Path, x: str, y: str) -> tuple[Figure, Axes]:
    """An empty plot, where `out` can be written."""
    check_plot(out)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _points(axes: Axes, rows: list[Row], number: int, name: str) -> None:
    colour = f"C{number - 1}" if number else "black"
    x, y = [row.per_second for row in rows], [_height(row) for row in rows]
    axes.plot(x, y, "-", marker=MARKERS[number % len(MARKERS)], color=colour, label=name, linewidth=1, markersize=4)
    for row, height in zip(rows, y, strict=True):
        low, high = (row.per_second * quartile / row.speedup for quartile in row.spread)
        axes.hlines(height, low, high, color=colour, linewidth=0.8, alpha=0.5)
        for interval, middle, width in ((row.interval, row.metric, 0.8), (row.change_interval, row.change, 3)):
            if interval is not None and middle is not None:
                low, high = (height + 100 * (edge - middle) for edge in interval)
                axes.vlines(row.per_second, low, high, color=colour, linewidth=width)
        if row.settings is not None:
            text, place = row.name.partition(", ")[0][:20], (row.per_second, height)
            beside = (5, 5 if number % 2 else -12)
            axes.annotate(text, place, xytext=beside, textcoords="offset points", fontsize=8, color=colour)


def _height(row: Row) -> float:
    return 100 * (row.agreement if row.metric is None else row.metric)
