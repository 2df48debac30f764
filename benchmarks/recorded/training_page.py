"""The page of the recorded trainings, from their results."""

from __future__ import annotations

import math
import statistics
from typing import Any

from benchmarks.pages import ROOT, write_block
from benchmarks.recorded.training_cases import CASES, STILL, Case
from benchmarks.recorded.training_plot import plot, runs
from benchmarks.recorded.training_steps import BATCH
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown, speed

HEADER = (
    "r", "MAC ratio", "off the shelf", "trained with r", "training time", "speed-up of a step", "memory", "samples/s",
)  # fmt: skip
SUMMARY = ("data", "metric", "r = 0", "off the shelf", "trained with r", "difference", "time of a step")
UNMEASURED = "not measured yet"
PAGE = ROOT / "docs/results/training.md"
COMMAND = (
    "python -m benchmarks.recorded.training RUNS --fsdd fsdd.zip --kits DRUMKITS --fashion FASHION_MNIST --vit VIT_S14"
)


def write_page(found: dict[str, Any]) -> None:
    """Write every table for which there are results."""
    for case in CASES:
        write_block(PAGE, case.name, table(case, found))
    done = [case for case in CASES if f"{case.name}/steps" in found]
    write_block(PAGE, "summary", markdown(SUMMARY, [summary(case, found) for case in done]))
    write_block(PAGE, "split", split(next(case for case in CASES if case.name == "sprites"), found))
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


def table(case: Case, found: dict[str, Any]) -> str:
    """A row for r = 0 and each r of a case."""
    if f"{case.name}/steps" not in found:
        rows = [(str(r), *[UNMEASURED] * (len(HEADER) - 1)) for r in (0, *case.rs)]
        return f"{markdown(HEADER, rows)}\n\n`{COMMAND} --only {case.name}` measures it."
    steps = [Row(**row) for row in found[f"{case.name}/steps"]]
    rows = [row(case, found, r, step, steps[0]) for r, step in zip((0, *case.rs), steps, strict=True)]
    seeds = len(runs(case, found, "trained", 0))
    spread = f"mean and standard deviation of {seeds} seeds" if seeds > 1 else "seed 0"
    facts = [
        f"Measured by `{COMMAND} --only {case.name}`: {case.metric} on {case.files[1]:,} files, {spread}.",
        error(case, statistics.mean(runs(case, found, "trained", 0))) if case.metric == "accuracy" else "",
        f"{case.epochs} {'epochs' if case.epochs > 1 else 'epoch'} on {case.files[0]:,} files with each r.",
        f"The start has {found[first]['metric']:.1%}." if (first := f"{case.name}/first") in found else "",
        found[f"{case.name}/machine"],
    ]
    return f"{markdown(HEADER, rows)}\n\n{' '.join(fact for fact in facts if fact)}"


def error(case: Case, accuracy: float) -> str:
    """What chance does to an accuracy, by the number of files that it was measured on."""
    points = 100 * (accuracy * (1 - accuracy) / case.files[1]) ** 0.5
    return f"The standard error of such an accuracy is {points:.1f} points."


def split(case: Case, found: dict[str, Any]) -> str:
    """Where the time of a training goes: its steps, and the rest."""
    count = case.epochs * math.ceil(case.files[0] / BATCH)
    parts = []
    for r, row in zip((0, *case.rs), found[f"{case.name}/steps"], strict=True):
        steps = count * statistics.median(row["seconds"])
        rest = statistics.mean(runs(case, found, "trained", r, "seconds")) - steps
        parts.append((str(r), f"{steps:.0f} s", f"{rest:.0f} s"))
    return markdown(("r", f"{count} steps", "start-up, decoding, evaluation"), parts)


def row(case: Case, found: dict[str, Any], r: int, step: Row, base: Row) -> tuple[str, ...]:
    """The cells of one r."""
    trained, times = runs(case, found, "trained", r), runs(case, found, "trained", r, "seconds")
    share = statistics.mean(times) / statistics.mean(runs(case, found, "trained", 0, "seconds"))
    return (
        str(r),
        f"{step.mac_ratio:.2f}x",
        percent(runs(case, found, "untrained", r)) if r else "",
        percent(trained),
        f"{statistics.mean(times) / 60:.1f} min ({share:.0%})",
        speed(step) if r else "1.00x",
        f"{(step.peak_bytes or 0) / (base.peak_bytes or 1):.0%}",
        f"{step.per_second:.0f}",
    )


def percent(values: list[float]) -> str:
    """A mean with its standard deviation, if there is more than one."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1%}{spread}"
