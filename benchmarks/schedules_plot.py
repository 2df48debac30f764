"""The plot of the study of schedules, from its results."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.pages import ROOT

PLOT = ROOT / "docs/images/schedules.png"
LEVELS, RANDOM, SEARCHERS, TRIALS = (1.5, 2.0, 3.0), 170, ("greedy", "optuna"), (32, 96)  # MAC ratios; of each
MARKED = {"constant": "s", "decreasing": "v", "tuned": "*"}
SPREAD = 0.12  # of a strip in the plot


def judged(found: dict[str, Any], level: float, name: str) -> dict[str, Any]:
    """What a marked schedule does on the test images; the tuned one is that of the default searcher."""
    return found[f"{level}/{name}" if name != "tuned" else f"{level}/{SEARCHERS[0]}/{TRIALS[-1]}"]


def random(found: dict[str, Any], level: float) -> list[dict[str, Any]]:
    return [each for name, each in found.items() if name.startswith(f"{level}/random/")]


def plot(found: dict[str, Any]) -> None:
    """A strip of random schedules at each MAC ratio, with the marked ones before it."""
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    drift, same = figure.subplots(2, 1)
    strips(drift, found, lambda each: each["kl"])
    strips(same, found, lambda each: 100 * each["agreement"])
    drift.set_yscale("log")
    drift.set_ylabel("KL divergence, nats")
    same.set_ylabel("same prediction, %")
    drift.legend(fontsize=8, loc="lower right")
    figure.savefig(PLOT, dpi=130)


def strips(axes: Axes, found: dict[str, Any], value: Any) -> None:
    chance = np.random.default_rng(0)
    for level in LEVELS:
        others = random(found, level)
        across = level + chance.uniform(-SPREAD, SPREAD, len(others))
        label = "random" if level == LEVELS[0] else None
        axes.scatter(across, [value(each) for each in others], s=8, color="silver", label=label)
    for name, marker in MARKED.items():
        values = [value(judged(found, level, name)) for level in LEVELS]
        size = 140 if marker == "*" else 45
        axes.scatter(LEVELS, values, s=size, marker=marker, edgecolors="black", linewidths=0.6, label=name, zorder=3)
    axes.set_xlabel("MAC ratio: times fewer multiply-adds")
    axes.set_xticks(LEVELS)
    axes.grid(alpha=0.3)
