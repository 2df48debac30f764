"""The page of the recorded trainings, from their results."""

from __future__ import annotations

import statistics
from typing import Any

from pages import ROOT, write_block
from training_cases import CASES, STILL, Case

from hf_tome.report.measure import Measured
from hf_tome.report.table import markdown, speed

HEADER = ("r", "MAC ratio", "off the shelf", "trained with r", "training time", "training step", "memory", "samples/s")
UNMEASURED = "not measured yet"
PAGE = ROOT / "docs/results/training.md"
COMMAND = "python benchmarks/training.py RUNS --fsdd fsdd.zip --kits DRUMKITS --fashion FASHION_MNIST --vit VIT_S14"


def write_page(found: dict[str, Any]) -> None:
    """Write every table for which there are results."""
    for case in CASES:
        write_block(PAGE, case.name, table(case, found))
    single = found.get(f"{STILL.name}/first")
    cells = (("16 times the same frame", f"{single['metric']:.1%}" if single else UNMEASURED), ("chance", "25%"))
    write_block(PAGE, STILL.name, markdown(("clips of", "accuracy"), cells))


def table(case: Case, found: dict[str, Any]) -> str:
    """A row for r = 0 and each r of a case."""
    if f"{case.name}/steps" not in found:
        rows = [(str(r), *[UNMEASURED] * (len(HEADER) - 1)) for r in (0, *case.rs)]
        return f"{markdown(HEADER, rows)}\n\n`{COMMAND} --only {case.name}` measures it."
    steps = [Measured(**row) for row in found[f"{case.name}/steps"]]
    rows = [row(case, found, r, step, steps[0]) for r, step in zip((0, *case.rs), steps, strict=True)]
    seeds = len(runs(case, found, "trained", 0))
    source = f"Measured by `{COMMAND} --only {case.name}`: {case.metric}, epochs with each r: {case.epochs}"
    spread = f", mean and standard deviation of {seeds} seeds" if seeds > 1 else ", seed 0"
    return f"{markdown(HEADER, rows)}\n\n{source}{spread}. {found[f'{case.name}/machine']}"


def row(case: Case, found: dict[str, Any], r: int, step: Measured, base: Measured) -> tuple[str, ...]:
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


def runs(case: Case, found: dict[str, Any], kind: str, r: int, field: str = "metric") -> list[float]:
    """What the runs of all seeds gave."""
    names = [f"{case.name}/{kind}/{r}/{seed}" for seed in case.seeds]
    return [found[name][field] for name in names if name in found]


def percent(values: list[float]) -> str:
    """A mean with its standard deviation, if there is more than one."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1%}{spread}"
