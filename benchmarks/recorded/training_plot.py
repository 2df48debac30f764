"""The picture of the recorded trainings: what each r costs in the metric, and what it saves."""

from __future__ import annotations

import statistics
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pages import ROOT
from benchmarks.recorded.training_cases import Case
from hf_tome.measure.row import Row

COLUMNS = 2
OURS, OFF_THE_SHELF = {"color": "C0", "marker": "o"}, {"color": "C1", "marker": "s", "linestyle": "--"}


def runs(case: Case, found: dict[str, Any], kind: str, r: int, field: str = "metric") -> list[float]:
    """What the runs of all seeds gave."""
    names = [f"{case.name}/{kind}/{r}/{seed}" for seed in case.seeds]
    return [found[name][field] for name in names if name in found]


def plot(cases: list[Case], found: dict[str, Any]) -> None:
    """A panel for each case: the metric against the time of a training step, both against r = 0."""
    if not cases:
        return
    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(7.5, 0.6 + 2.7 * rows), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in panels[len(cases) :]:
        axes.set_axis_off()
    for axes, case in zip(panels, cases, strict=False):
        panel(axes, case, found)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure.savefig(ROOT / "docs/images/training.png", dpi=130)


def panel(axes: Axes, case: Case, found: dict[str, Any]) -> None:
    """The trained and the untrained model at each r, with the standard error of r = 0 as a band."""
    steps = [Row(**row) for row in found[f"{case.name}/steps"]]
    times = [100 / step.speedup for step in steps]  # % of a step with r = 0
    values = {r: [100 * value for value in runs(case, found, "trained", r)] for r in (0, *case.rs)}
    middle = statistics.mean(values[0])
    if case.metric == "accuracy":
        error = (middle * (100 - middle) / case.files[1]) ** 0.5
        axes.axhspan(middle - error, min(100, middle + error), color="0.92", label="standard error, r = 0")
    axes.axhline(middle, color="0.7", linewidth=1)
    untrained = {r: [100 * value for value in runs(case, found, "untrained", r)] for r in case.rs}
    curve(axes, times, {0: values[0], **untrained}, "off the shelf", OFF_THE_SHELF)
    curve(axes, times, values, "trained with r", OURS)
    for time, r in zip(times, values, strict=True):
        axes.annotate(f"r={r}", (time, 0), (0, 4), ("data", "axes fraction"), "offset points", ha="center", color="0.4")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, middle - 3) - 0.15 * (high - low), min(101, max(high, middle + 3)))
    axes.set_xlim(105, min(times) - 5)  # from slow to fast
    axes.set_title(case.title, fontsize=10)
    axes.set_ylabel(f"{case.metric}, %")
    axes.set_xlabel("time of a training step, % of r = 0")


def curve(axes: Axes, times: list[float], values: dict[int, list[float]], name: str, style: dict[str, str]) -> None:
    """Means over the seeds, with their standard deviation where there are several."""
    spread = [statistics.stdev(each) if len(each) > 1 else 0 for each in values.values()]
    means = [statistics.mean(each) for each in values.values()]
    axes.errorbar(times, means, yerr=spread if any(spread) else None, capsize=3, label=name, **style)  # pyright: ignore
