"""The page of the accuracy benchmark: tables and plots, from its results."""

from __future__ import annotations

import math
from collections.abc import Sequence
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
EMBEDDED = {"image": "images", "audio": "sounds", "video": "clips"}
HEADER = ("r", "MAC ratio", "accuracy", "change", "same prediction", "KL divergence", "tokens left")
COMMAND = "python -m benchmarks.recorded.accuracy RUNS"
UNMEASURED = "Not measured yet"
Series = dict[str, list[Row]]


def write_page(found: dict[str, Any]) -> None:
    """Write every table and plot for which there are results."""
    curves: Series = {}
    for name, title in EMBEDDED.items():
        if name in found:
            rows = rows_of(found[name])
            curves[title] = rows
            write_block(PAGE, name, table(rows, [text(row.r) for row in rows], found[name], COMMAND))
    if len(curves) == len(EMBEDDED):
        plot(curves, IMAGES / "accuracy.png")
    command = f"{COMMAND} --vit PROBED_VIT --fashion FASHION_MNIST"
    if "vit" in found:
        series = schedules(rows_of(found["vit"]), found)
        rows = [row for each in series.values() for row in each if row.r is not None]
        names = [f"{name}, r = {text(row.r)}" for name, each in series.items() for row in each if row.r is not None]
        first = series["constant"][0]
        write_block(PAGE, "vit", table([first, *rows], ["off", *names], found["vit"], command))
        write_block(PAGE, "equal", equal(series, found, command))
        plot(series, IMAGES / "accuracy-vit.png")
    else:
        for block in ("vit", "equal"):
            write_block(PAGE, block, f"{UNMEASURED}: `{command}` does it.")


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


def table(rows: Sequence[Row], names: Sequence[str], report: dict[str, Any], command: str) -> str:
    """A row of the table for each row of the sweep, and where it comes from."""
    cells = [(name, *numbers(row)) for name, row in zip(names, rows, strict=True)]
    return f"{markdown(HEADER, cells)}\n\n{source(report, command)}"


def numbers(row: Row) -> tuple[str, ...]:
    """What a variant gave; intervals in brackets."""
    change = (
        "" if row.r is None else f"{points(row.change or 0)} ({' to '.join(map(points, row.change_interval or ()))})"
    )
    low, high = row.interval or (0, 1)
    same = [f"{100 * each:.1f}" for each in likely(row.agreement, row.inputs)]
    return (
        f"{row.mac_ratio:.2f}x",
        f"{row.metric:.1%} ({100 * low:.1f} to {100 * high:.1f})",
        change,
        "" if row.r is None else f"{row.agreement:.1%} ({' to '.join(same)})",
        "" if row.r is None else f"{row.kl:.2g}",
        f"{row.token_counts[-1]} of {row.token_counts[0]}",
    )


def equal(series: Series, found: dict[str, Any], command: str) -> str:
    """The three kinds of schedule beside each other, wherever their multiply-adds are matched."""
    header = ("MAC ratio", "schedule", "change of accuracy", "same prediction", "KL divergence")
    cells, tried = [], []
    for name in sorted((name for name in found if name.startswith("tuned/")), key=lambda each: int(each[6:])):
        tried.append(str(found[name]["trials"]))
        tuned = next(row for row in series["tuned"] if row.r == found[name]["r"])
        constant = next(row for row in series["constant"] if row.r == int(name[6:]))
        falling = min(series["decreasing"][1:], key=lambda row: abs(row.mac_ratio - constant.mac_ratio))
        for kind, row in {"constant": constant, "decreasing": falling, "tuned": tuned}.items():
            ratio, _, change, same, kl, _ = numbers(row)
            cells.append((ratio, kind, change, same, kl))
    about = f"The tuned schedules are the best of {' and '.join(tried)} tries on training images, by KL divergence."
    return f"{markdown(header, cells)}\n\n{about} {source(found['vit'], command)}"


def source(report: dict[str, Any], command: str) -> str:
    return f"Measured by `{command}` on {report['samples']} samples; in brackets 95 % intervals. {report['machine']}"


def text(r: Any) -> str:
    """A schedule as a cell."""
    return "off" if r is None else ", ".join(map(str, r)) if isinstance(r, list) else str(r)


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
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    change, same = figure.subplots(1, 2)
    for number, (name, rows) in enumerate(series.items()):
        ordered = sorted(rows, key=lambda row: row.mac_ratio)
        across = [row.mac_ratio + 0.006 * number for row in ordered]  # beside each other, not on top
        curve(change, across, [(row.change or 0, row.change_interval or (0, 0)) for row in ordered], number, name)
        shares = [(row.agreement, (1, 1) if row.r is None else likely(row.agreement, row.inputs)) for row in ordered]
        curve(same, across, shares, number, name)
    change.set_ylabel("change of accuracy, points")
    same.set_ylabel("same prediction as the unmerged model, %")
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
