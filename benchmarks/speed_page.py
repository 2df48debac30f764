"""Tables and plots of the speed benchmark, from its data."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.long_inputs import write_long
from benchmarks.pages import ROOT, write_block
from benchmarks.readme import write_readme
from benchmarks.speed_cases import DATA, ENCODERS, GPU, NAMES, Case
from hf_tome.measure.plot import plot_speed
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown, speed

DROPPED = "score with tokens dropped"
SPEED = (
    "model", "batch", "r", "speed-up", "MAC ratio (limit)", "score", DROPPED, "merging", "speed-up of plain ToMe",
)  # fmt: skip
TIMES = "one input: unmerged, merged"
SINGLE = ("model", "r", "speed-up", "MAC ratio (limit)", "score", TIMES)
TRAIN = ("model", "batch", "r", "speed-up", "MAC ratio (limit)", "score", "memory", "tokens, mean")
ENCODER = ("model", "tokens", "r", "speed-up", "MAC ratio (limit)", "score", TIMES)
GPU_HEADER = (
    "model", "batch", "r", "how", "MAC ratio (limit)", "speed-up", "as a CUDA graph", "its score", DROPPED,
    "speed-up of plain ToMe",
)  # fmt: skip
WAYS_HEADER = ("step", "way", *(f"{case.name}, batch {case.batch}" for case in GPU))


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
    def dropped(self) -> str:
        """The score with tokens cut off instead of merged."""
        (cut,) = (row for row in self.rows if row.name == "cut")
        return f"{cut.score:.2f}"


def load(file: Path) -> tuple[list[Result], str]:
    """The results of one run, and the machine that it was on."""
    found = json.loads(file.read_text())
    results = [Result(Case(**each["case"]), [Row(**row) for row in each["rows"]]) for each in found["cases"]]
    return results, found["machine"]


def write_pages() -> None:
    """All tables and plots for which there is data."""
    if (DATA / "speed-cpu.json").exists():
        write_cpu(*load(DATA / "speed-cpu.json"))
        write_long(DATA)
    if (DATA / "speed-encoders.json").exists():
        write_encoders(*load(DATA / "speed-encoders.json"))
    page = ROOT / "docs/results/speed.md"
    gpu = ways = "Not measured yet: `make bench-gpu` measures it."
    if (DATA / "speed-gpu.jsonl").exists():
        rows, machine = load_gpu(DATA / "speed-gpu.jsonl")
        source = f"Measured by `make bench-gpu`, bfloat16, random weights, medians of paired rounds. {machine}"
        gpu = f"{markdown(GPU_HEADER, rows)}\n\n{source}"
        ways = f"{markdown(WAYS_HEADER, way_rows(DATA / 'speed-gpu.jsonl'))}\n\nMicroseconds of one call, medians."
    write_block(page, "gpu", gpu)
    write_block(page, "gpu-ways", ways)
    write_readme()


def write_cpu(results: list[Result], machine: str) -> None:
    """The CPU's tables and plot."""
    page = ROOT / "docs/results/speed.md"
    source = f"Measured by `make bench`, random weights, medians of paired rounds (quartiles). {machine}"
    trained = [each for each in results if each.case.train]
    against = [each for each in results if each.plain and not each.case.train]
    single = [each for each in results if each.case.batch == 1 and not each.plain and not each.case.train]
    table = markdown(SPEED, [speed_row(each) for each in against])
    write_block(page, "cpu", f"{table}\n\n{source}")
    singles = [single_row(each, each.ours[-1]) for each in single]  # at the largest r; the plot has all
    write_block(page, "single", markdown(SINGLE, singles))
    write_block(page, "train", markdown(TRAIN, [train_row(each) for each in trained]))
    groups: dict[str, list[Row]] = {}
    for each in results:
        groups.setdefault(f"{each.case.name}, batch {each.case.batch}, {each.case.kind}", []).extend(each.ours)
    plain = [row for each in results for row in each.plain]
    plot_speed({**groups, "plain ToMe, same cases": plain}, ROOT / "docs/images/speed.png")


def write_encoders(results: list[Result], machine: str) -> None:
    """The table of one encoder of each kind."""
    rounds = [each.rounds for each in ENCODERS]
    source = (
        f"Measured by `python benchmarks/speed.py encoders`, random weights, medians of {min(rounds)} to {max(rounds)} "
        "paired rounds (quartiles)."
    )
    table = markdown(ENCODER, [encoder_row(each) for each in results])
    write_block(ROOT / "docs/results/speed.md", "encoders", f"{table}\n\n{source} {machine}")


def common(row: Row) -> tuple[str, str, str]:
    return speed(row), f"{row.mac_ratio:.2f}x", f"{row.score:.2f}"


def speed_row(each: Result) -> list[str]:
    (row,), (plain,) = each.ours, each.plain
    return [each.case.name, str(row.batch), str(row.r), *common(row), each.dropped, f"{row.overhead:.1%}", speed(plain)]


def single_row(each: Result, row: Row) -> list[str]:
    name = each.case.name + (", compiled" if each.case.compiled else "")
    name += f", {each.case.threads} thread" if each.case.threads else ""
    times = f"{1000 * (each.rows[0].latency or 0):.1f}, {1000 * (row.latency or 0):.1f} ms"
    return [name, str(row.r), *common(row), times]


def encoder_row(each: Result) -> list[str]:
    (row,), off = each.ours, each.rows[0]
    times = f"{off.latency or 0:.2f}, {row.latency or 0:.2f} s"
    return [each.case.name, str(row.token_counts[0]), str(row.r), *common(row), times]


def train_row(each: Result) -> list[str]:
    (row,), off = each.ours, each.rows[0]
    name = each.case.name + (", checkpointing" if each.case.checkpointing else "")
    counts = row.token_counts[:-1]
    tokens, memory = sum(counts) / len(counts) / counts[0], (row.peak_bytes or 0) / (off.peak_bytes or 1)
    return [name, str(row.batch), str(row.r), *common(row), f"{memory:.0%}", f"{tokens:.0%}"]


def load_gpu(file: Path) -> tuple[list[list[str]], str]:
    """The table's cells, a row for each case and way to run it, and the machine that it was measured on."""
    first, *lines = (json.loads(line) for line in file.read_text().splitlines())
    if first["dry"]:
        raise SystemExit(f"{file} is of a dry run; its times mean nothing.")
    cases: dict[tuple[Any, ...], dict[tuple[str, bool], Any]] = {}
    for line in lines:
        if "variant" in line:  # else it says what was left out, or failed
            key = tuple(line[name] for name in ("config", "batch", "r", "how"))
            cases.setdefault(key, {})[line["variant"], line.get("graph", False)] = line
    return [gpu_row(key, found) for key, found in cases.items()], first["machine"]


def way_rows(file: Path) -> list[list[str]]:
    """The cells of the table of ways: microseconds, a column for each case; what is missing stays empty."""
    found: dict[tuple[str, str], dict[tuple[str, int], float]] = {}
    for line in map(json.loads, file.read_text().splitlines()[1:]):
        if "way" in line:
            row = found.setdefault((line["part"], line["way"]), {})
            row[line["config"], line["batch"]] = statistics.median(line["us"])
    cases = [(case.config, case.batch) for case in GPU]
    return [[*key, *(f"{row[case]:.1f}" if case in row else "" for case in cases)] for key, row in found.items()]


def gpu_row(key: tuple[Any, ...], found: dict[tuple[str, bool], Any]) -> list[str]:
    """The cells of one case; what is missing stays empty."""

    def cell(name: str, variant: str, graph: bool, form: str) -> str:
        line = found.get((variant, graph))
        return form.format(line[name]) if line else ""

    config, batch, r, how = key
    ours = [
        *(cell("mac_ratio", "hf_tome", False, "{:.2f}x"), cell("speedup", "hf_tome", False, "{:.2f}x")),
        *(cell("speedup", "hf_tome", True, "{:.2f}x"), cell("score", "hf_tome", True, "{:.2f}")),
    ]
    rivals = [cell("score", "cut", True, "{:.2f}"), cell("speedup", "plain", False, "{:.2f}x")]
    return [NAMES[config], str(batch), str(r), how, *ours, *rivals]
