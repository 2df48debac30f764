"""The page of the recorded trainings, from their results."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.pages import ROOT, write_block
from benchmarks.recorded.training_cases import CASES, STILL, Case
from benchmarks.recorded.training_plot import plot, runs
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown

HEADER = (
    "data", "test files", "r", "r = 0", "off the shelf", "trained with r", "standard error", "speed-up", "memory",
)  # fmt: skip
PAGE = ROOT / "docs/results/training.md"


def write_page(found: dict[str, Any]) -> None:
    """Write the table and the plot of what has been measured."""
    done = [case for case in CASES if f"{case.name}/steps" in found]
    plot(done, found)
    machines = " ".join(dict.fromkeys(found[f"{case.name}/machine"] for case in done))
    table = markdown(HEADER, [row(case, found) for case in done])
    write_block(PAGE, "summary", f"{table}\n\n{machines}")
    if single := found.get(f"{STILL.name}/first"):
        told = f"- A model trained on clips of one repeated frame reaches {single['metric']:.1%}; chance is 25 %."
        write_block(PAGE, STILL.name, told)


def row(case: Case, found: dict[str, Any]) -> tuple[str, ...]:
    """The cells of a case at its larger r, of about twice fewer multiply-adds."""
    r, (off, *_, step) = case.rs[-1], [Row(**row) for row in found[f"{case.name}/steps"]]
    base, trained = (runs(case, found, "trained", each) for each in (0, r))
    accuracy = statistics.mean(base)
    error = 100 * (accuracy * (1 - accuracy) / case.files[1]) ** 0.5  # by the number of test files alone
    return (
        case.title,
        f"{case.files[1]:,}",
        str(r),
        percent(base),
        percent(runs(case, found, "untrained", r)),
        percent(trained),
        f"{error:.1f}" if case.metric == "accuracy" else "",
        f"{step.speedup:.2f}x",
        f"{(step.peak_bytes or 0) / (off.peak_bytes or 1):.0%}",
    )


def percent(values: list[float]) -> str:
    """A mean with its standard deviation, if there is more than one."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1%}{spread}"
