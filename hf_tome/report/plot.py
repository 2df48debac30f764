"""Pictures of measurements."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.media.extra import extra
from hf_tome.report.measure import Measured

SUFFIXES = (".png", ".svg", ".pdf")
MARKERS = "osD^vP*Xp"


def check_plot(out: Path) -> None:
    """Refuse a place where no plot can be written, before any work is done.

    Raises:
        ToMeValueError: if the folder does not exist, or the name is not that of a plot.
        MissingExtraError: if matplotlib is missing.
    """
    if out.suffix.lower() not in SUFFIXES or not out.absolute().parent.is_dir():
        rule = f"A plot is a file ({', '.join(SUFFIXES)}) in a folder that exists."
        raise ToMeValueError(complaint(rule, str(out), "For example speed.png."))
    with extra("viz", "draw a plot"):
        import matplotlib  # noqa: F401


def plot_speed(groups: dict[str, Sequence[Measured]], out: Path) -> None:
    """Speed-up against MAC ratio, with quartiles, and the line on which one is the other.

    Args:
        groups: rows of `measure` by what they are called in the legend; untouched models are left out.
        out: where to write it.
    """
    check_plot(out)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    most = 1.0
    for number, (name, rows) in enumerate(groups.items()):
        rows = sorted((row for row in rows if row.r is not None), key=lambda row: row.mac_ratio)
        ratios, speedups = [row.mac_ratio for row in rows], [row.speedup for row in rows]
        below = [row.speedup - row.spread[0] for row in rows]
        above = [row.spread[1] - row.speedup for row in rows]
        axes.errorbar(ratios, speedups, yerr=[below, above], fmt=MARKERS[number % len(MARKERS)], capsize=3, label=name)
        most = max(most, *ratios, *speedups)
    axes.plot([1, most], [1, most], color="grey", linestyle="--", label="speed-up = MAC ratio")
    axes.axhline(1, color="lightgrey", linewidth=1, zorder=0)
    axes.set_xlabel("MAC ratio: times fewer multiply-adds")
    axes.set_ylabel("speed-up (median and quartiles of paired rounds)")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(out, dpi=150)
