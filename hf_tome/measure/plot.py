"""Plots of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_tome.data.folder import NAMES
from hf_tome.errors import extra
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
    """Plot speed-up against MAC ratio, with quartiles, of rows of `measure`, by their names in the legend. Unmerged
    models are left out. A dashed line shows where the two are equal."""
    check_plot(out)
    figure, axes = _axes("MAC ratio: times fewer multiply-adds", "speed-up (median and quartiles of paired rounds)")
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
    """Draw `tradeoff` into a file."""
    check_plot(out)
    tradeoff(report).savefig(out, dpi=150)


def tradeoff(report: Report) -> Figure:
    """Accuracy, mAP or, without labels, the agreement with the unmerged model, against inputs per second.

    Thin upright bars are 95 % intervals, thick ones those of the change from the unmerged model; level ones are the
    quartiles of the paired speed-ups. Variants that differ in r alone have one colour and a line.
    """
    metric = f"{report.metric or 'same prediction as unmerged'} (%)"
    figure, axes = _axes(f"{NAMES[report.modality]} per second", metric)
    series: dict[str, list[Row]] = {"unmerged": report.rows[:1]}
    for row in report.rows[1:]:
        series.setdefault(row.name if row.settings is None else row.name.partition(", ")[2] or "merged", []).append(row)
    for number, (name, rows) in enumerate(series.items()):
        _points(axes, sorted(rows, key=lambda row: row.per_second), number, name)
    axes.axhline(_height(report.rows[0]), color="grey", linestyle="--", linewidth=1, zorder=0)
    upright = "" if report.metric is None else "; upright: 95 % interval, thick: that of the change from unmerged"
    figure.suptitle(f"{Path(report.model).name} on {Path(report.data).name}: {report.samples} {NAMES[report.modality]}")
    axes.set_title(f"level bars: quartiles of the paired speed-up{upright}", fontsize=8)
    axes.legend(fontsize=8)
    _label(axes, [(row, f"C{number - 1}") for number, rows in enumerate(series.values()) for row in rows])
    return figure


def _axes(x: str, y: str) -> tuple[Figure, Axes]:
    """An empty plot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _points(axes: Axes, rows: list[Row], number: int, name: str) -> None:
    colour = f"C{number - 1}" if number else "black"
    x, y = [row.per_second for row in rows], [_height(row) for row in rows]
    marker = MARKERS[number % len(MARKERS)]
    axes.plot(
        x, y, "-", marker=marker, color=colour, label=name, linewidth=1, markersize=9 - number % 5, fillstyle="none"
    )
    for row, height in zip(rows, y, strict=True):
        low, high = (row.per_second * quartile / row.speedup for quartile in row.spread)
        axes.hlines(height, low, high, color=colour, linewidth=0.8, alpha=0.5)
        for interval, middle, width in ((row.interval, row.metric, 0.8), (row.change_interval, row.change, 3)):
            if interval is not None and middle is not None:
                low, high = (height + 100 * (edge - middle) for edge in interval)
                axes.vlines(row.per_second, low, high, color=colour, linewidth=width, alpha=0.6)


def _label(axes: Axes, rows: list[tuple[Row, str]]) -> None:
    """The r of each merged row beside its point, where no other label or point is."""
    from matplotlib.transforms import Bbox

    figure: Any = axes.figure
    figure.draw_without_rendering()  # places what the labels must not cover
    places = [(row.per_second, _height(row)) for row, _ in rows]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in axes.transData.transform(places)]
    for (row, colour), place in zip(rows, places, strict=True):
        if row.settings is None:
            continue
        text = axes.annotate(
            row.name.partition(", ")[0][:20], place, (0, 0), textcoords="offset points", fontsize=8, color=colour
        )
        text.set_in_layout(False)  # else the axes would shrink under the labels that are placed
        for up, right in product((6, -12, 18, -24, 30, -36), (6, -30)):
            text.set_position((right, up))
            if not any(text.get_window_extent().overlaps(other) for other in taken):
                break
        taken.append(text.get_window_extent())


def _height(row: Row) -> float:
    return 100 * (row.agreement if row.metric is None else row.metric)
