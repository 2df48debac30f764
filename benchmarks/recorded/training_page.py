"""The page of the recorded trainings, from their results."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.pages import ROOT, write_block
from benchmarks.recorded.training_cases import CASES, STILL, Case
from benchmarks.recorded.training_plot import plot, runs
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown, speed

HEADER = ("data", "r", "MAC ratio", "off the shelf", "trained with r", "training time", "speed-up of a step", "memory")
DATA = ("data", "metric", "training files", "test files", "epochs", "seeds", "standard error")
SUMMARY = ("data", "metric", "r = 0", "off the shelf", "trained with r", "difference", "time of a step")
UNMEASURED = "not measured yet"
PAGE = ROOT / "docs/results/training.md"


def write_page(found: dict[str, Any]) -> None:
    """Write every table for which there are results."""
    done = [case for case in CASES if f"{case.name}/steps" in found]
    write_block(PAGE, "summary", markdown(SUMMARY, [summary(case, found) for case in done]))
    machines = " ".join(dict.fromkeys(found[f"{case.name}/machine"] for case in done))
    rows = markdown(HEADER, [line for case in done for line in table(case, found)])
    write_block(PAGE, "runs", f"{rows}\n\nMeasured by `python -m benchmarks.recorded.training`. {machines}")
    write_block(PAGE, "data", markdown(DATA, [about(case, found) for case in done]))
    plot(done, found)
    single = found.get(f"{STILL.name}/first")
    cells = (("16 times the same frame", f"{single['metric']:.1%}" if single else UNMEASURED), ("chance", "25%"))
    write_block(PAGE, STILL.name, markdown(("clips of", "accuracy"), cells))


def summary(case: Case, found: dict[str, Any]) -> tuple[str, ...]:
    """The cells of a case at its larger r, of about twice fewer multiply-adds."""
    r, step = case.rs[-1], Row(**found[f"{case.name}/steps"][-1])
    base, trained = (runs(case, found, "trained", each) for each in (0, r))
    points = 100 * (statistics.mean(trained) - statistics.mean(base))
    return (
        case.title,
        case.metric,
        percent(base),
        percent(runs(case, found, "untrained", r)),
        percent(trained),
        f"{points:+.2f} points",
        f"{1 / step.speedup:.0%}",
    )


def table(case: Case, found: dict[str, Any]) -> list[tuple[str, ...]]:
    """A line for r = 0 and each r of a case."""
    steps = [Row(**row) for row in found[f"{case.name}/steps"]]
    return [row(case, found, r, step, steps[0]) for r, step in zip((0, *case.rs), steps, strict=True)]


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


def row(case: Case, found: dict[str, Any], r: int, step: Row, base: Row) -> tuple[str, ...]:
    """The cells of one r."""
    trained, times = runs(case, found, "trained", r), runs(case, found, "trained", r, "seconds")
    share = statistics.mean(times) / statistics.mean(runs(case, found, "trained", 0, "seconds"))
    return (
        case.title,
        str(r),
        f"{step.mac_ratio:.2f}x",
        percent(runs(case, found, "untrained", r)) if r else "",
        percent(trained),
        f"{statistics.mean(times) / 60:.1f} min ({share:.0%})",
        speed(step) if r else "1.00x",
        f"{(step.peak_bytes or 0) / (base.peak_bytes or 1):.0%}",
    )


def percent(values: list[float]) -> str:
    """A mean with its standard deviation, if there is more than one."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1%}{spread}"
