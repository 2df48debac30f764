"""The page of the recorded trainings, from their results."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.pages import ROOT, write_block
from benchmarks.recorded.training_cases import CASES, STILL, Case
from benchmarks.recorded.training_plot import plot, runs
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown, speed

DATA = ("data", "metric", "training files", "test files", "epochs", "seeds", "standard error")
SUMMARY = ("data", "r", "r = 0", "off the shelf", "trained with r", "difference", "speed-up of a step", "memory")
UNMEASURED = "not measured yet"
PAGE = ROOT / "docs/results/training.md"


def write_page(found: dict[str, Any]) -> None:
    """Write every table for which there are results."""
    done = [case for case in CASES if f"{case.name}/steps" in found]
    machines = " ".join(dict.fromkeys(found[f"{case.name}/machine"] for case in done))
    table = markdown(SUMMARY, [summary(case, found) for case in done])
    write_block(PAGE, "summary", f"{table}\n\nMeasured by `python -m benchmarks.recorded.training`. {machines}")
    write_block(PAGE, "data", markdown(DATA, [about(case, found) for case in done]))
    plot(done, found)
    single = found.get(f"{STILL.name}/first")
    cells = (("16 times the same frame", f"{single['metric']:.1%}" if single else UNMEASURED), ("chance", "25%"))
    write_block(PAGE, STILL.name, markdown(("clips of", "accuracy"), cells))


def summary(case: Case, found: dict[str, Any]) -> tuple[str, ...]:
    """The cells of a case at its larger r, of about twice fewer multiply-adds."""
    r, (off, *_, step) = case.rs[-1], [Row(**row) for row in found[f"{case.name}/steps"]]
    base, trained = (runs(case, found, "trained", each) for each in (0, r))
    points = 100 * (statistics.mean(trained) - statistics.mean(base))
    return (
        case.title,
        str(r),
        percent(base),
        percent(runs(case, found, "untrained", r)),
        percent(trained),
        f"{points:+.2f} points",
        speed(step),
        f"{(step.peak_bytes or 0) / (off.peak_bytes or 1):.0%}",
    )


def about(case: Case, found: dict[str, Any]) -> tuple[str, ...]:
    """What a case is measured on, and what chance does to an accuracy by the number of test files."""
    base = runs(case, found, "trained", 0)
    accuracy = statistics.mean(base)
    error = 100 * (accuracy * (1 - accuracy) / case.files[1]) ** 0.5
    return (
        case.title,
        case.metric,
        *(f"{count:,}" for count in case.files),
        str(case.epochs),
        str(len(base)),
        f"{error:.1f} points" if case.metric == "accuracy" else "",
    )


def percent(values: list[float]) -> str:
    """A mean with its standard deviation, if there is more than one."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1%}{spread}"
