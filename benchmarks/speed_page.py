"""Tables and plots of the speed benchmark, from its data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.pages import ROOT, write_block
from benchmarks.speed_cases import GPU, Case
from hf_tome.measure.plot import plot_speed
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown, speed

FREE = "score if merging were free"
SPEED = (
    "model", "batch", "r", "speed-up", "MAC ratio (limit)", "score", FREE, "merging itself", "speed-up of plain ToMe",
)  # fmt: skip
SINGLE = ("model", "r", "speed-up", "MAC ratio (limit)", "score", "one input")
TRAIN = ("model", "batch", "r", "speed-up", "MAC ratio (limit)", "score", "memory", "tokens, mean")
GPU_HEADER = ("model", "batch", "r", "how", "speed-up", "MAC ratio (limit)", "score", FREE, "against plain ToMe")


@dataclass(frozen=True)
class Result:
    """A case with its rows: the untouched model, then each r, then the rivals if they ran."""

    case: Case
    rows: list[Row]

    @property
    def ours(self) -> list[Row]:
        return [row for row in self.rows if row.name == "hf_tome"]

    @property
    def plain(self) -> list[Row]:
        return [row for row in self.rows if row.name == "plain"]

    @property
    def free(self) -> str:
        """The score with tokens cut off instead of merged."""
        (cut,) = (row for row in self.rows if row.name == "cut")
        return f"{cut.score:.2f}"


def load(file: Path) -> tuple[list[Result], str]:
    """The results of one run, and the machine that it was on."""
    found = json.loads(file.read_text())
    results = [Result(Case(**each["case"]), [Row(**row) for row in each["rows"]]) for each in found["cases"]]
    return results, found["machine"]


def write_pages(data: Path) -> None:
    """All tables and plots for which there is data."""
    if (data / "speed-cpu.json").exists():
        write_cpu(*load(data / "speed-cpu.json"))
    rows, source = [unmeasured(case) for case in GPU], "`make bench-gpu` measures them."
    if (data / "speed-gpu.json").exists():
        results, machine = load(data / "speed-gpu.json")
        rows, source = [gpu_row(each) for each in results], f"Measured by `make bench-gpu`. {machine}"
    write_block(ROOT / "docs/results/speed.md", "gpu", f"{markdown(GPU_HEADER, rows)}\n\n{source}")


def write_cpu(results: list[Result], machine: str) -> None:
    """The CPU's tables and plot."""
    page = ROOT / "docs/results/speed.md"
    source = f"Measured by `make bench`, random weights, medians of paired rounds (quartiles). {machine}"
    trained = [each for each in results if each.case.train]
    against = [each for each in results if each.plain and not each.case.train]
    single = [each for each in results if not each.plain and not each.case.train]
    table = markdown(SPEED, [speed_row(each) for each in against])
    for file in (page, ROOT / "README.md"):
        write_block(file, "cpu", f"{table}\n\n{source}")
    write_block(page, "single", markdown(SINGLE, [single_row(each, row) for each in single for row in each.rows]))
    write_block(page, "train", markdown(TRAIN, [train_row(each) for each in trained]))
    groups: dict[str, list[Row]] = {}
    for each in results:
        groups.setdefault(f"{each.case.name}, batch {each.case.batch}, {each.case.kind}", []).extend(each.ours)
    plain = [row for each in results for row in each.plain]
    plot_speed({**groups, "plain ToMe, same cases": plain}, ROOT / "docs/images/speed.png")


def common(row: Row) -> tuple[str, str, str]:
    return speed(row), f"{row.mac_ratio:.2f}x", f"{row.score:.2f}"


def speed_row(each: Result) -> list[str]:
    (row,), (plain,) = each.ours, each.plain
    return [each.case.name, str(row.batch), str(row.r), *common(row), each.free, f"{row.overhead:.1%}", speed(plain)]


def single_row(each: Result, row: Row) -> list[str]:
    latency = f"{1000 * (row.latency or 0):.1f} ms"
    name = each.case.name + (", compiled" if each.case.compiled else "" if each.case.loops else ", without numba")
    if row.r is None:
        return [name, "off", "1.00x", "1.00x", "", latency]
    return [name, str(row.r), *common(row), latency]


def train_row(each: Result) -> list[str]:
    (row,), off = each.ours, each.rows[0]
    name = each.case.name + (", checkpointing" if each.case.checkpointing else "")
    counts = row.token_counts[:-1]
    tokens, memory = sum(counts) / len(counts) / counts[0], (row.peak_bytes or 0) / (off.peak_bytes or 1)
    return [name, str(row.batch), str(row.r), *common(row), f"{memory:.0%}", f"{tokens:.0%}"]


def gpu_row(each: Result) -> list[str]:
    (row,) = each.ours
    rivals = [each.free, f"{row.speedup / each.plain[0].speedup:.2f}x"] if each.plain else ["", ""]
    return [each.case.name, str(row.batch), str(row.r), f"{each.case.dtype}, {each.case.kind}", *common(row), *rivals]


def unmeasured(case: Case) -> list[str]:
    none = "not measured yet"
    rivals = [none, none] if case.baseline else ["", ""]
    return [case.name, str(case.batch), str(case.rs[0]), f"{case.dtype}, {case.kind}", none, "", none, *rivals]
