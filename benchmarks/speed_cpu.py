"""The speed of full-size models on a CPU, beside the plain implementation of the paper and tokens cut off."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import which
from typing import Any

import torch

from benchmarks.cut import cut
from benchmarks.long_inputs import measure_long
from benchmarks.pages import ROOT, machine
from benchmarks.plain import plain_tome
from benchmarks.speed_cases import CPU, DATA, ENCODERS, Case
from hf_tome.measure.presets import build, random_inputs
from hf_tome.measure.speed import measure


def measure_cpu() -> None:
    """Measure what `make bench` does."""
    found, kept = measure_cases(CPU, ROOT / "runs/speed-cpu.json", _rows)
    _keep(DATA / "speed-cpu.json", {**found, "long": measure_long("cpu")})
    kept.unlink()


def measure_encoders() -> None:
    """Measure one encoder of each kind."""
    found, kept = measure_cases(ENCODERS, ROOT / "runs/speed-encoders.json", _rows)
    _keep(DATA / "speed-encoders.json", found)
    kept.unlink()


def measure_cases(cases: Sequence[Case], kept: Path, rows: Callable[[Case], Any]) -> tuple[dict[str, Any], Path]:
    """Measure each case, and keep it in a file: a run that was interrupted goes on where it stopped."""
    place = machine()
    changed = max(file.stat().st_mtime for file in (ROOT / "hf_tome").rglob("*.py"))
    fresh = kept.exists() and kept.stat().st_mtime > changed  # numbers of one run are of one code
    found: dict[str, Any] = json.loads(kept.read_text()) if fresh else {}
    if found.get("machine") != place:
        found = {"machine": place, "cases": []}
    elif found["cases"]:
        print(f"{len(found['cases'])} cases are there from an interrupted run; delete {kept} to begin anew", flush=True)
    done = [each["case"] for each in found["cases"]]
    for case in cases:
        if case.compiled and not (which("g++") or which("clang++")):
            print(f"{case.name}, batch {case.batch}, {case.kind}: left out, it needs a C++ compiler", flush=True)
            continue
        settings = json.loads(json.dumps(asdict(case)))  # as they are read back
        if settings not in done:
            found["cases"].append({"case": settings, "rows": rows(case)})
            _keep(kept, found)
            print(f"{case.name}, batch {case.batch}, {case.kind}: done", flush=True)
    return found, kept


def _rows(case: Case) -> list[dict[str, Any]]:
    """The rows of one case, as plain data."""
    model = build(case.config, **case.settings).to(getattr(torch, case.dtype))
    if case.checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    threads = torch.get_num_threads()
    torch.set_num_threads(case.threads or threads)
    rows = measure(
        model,
        random_inputs(model, case.batch),
        case.rs,
        rounds=case.rounds,
        train=case.train,
        compiled=case.compiled,
        rivals={"plain": plain_tome, "cut": cut} if case.baseline else None,
        latency=False,
    )
    torch.set_num_threads(threads)
    return [asdict(row) for row in rows]


def _keep(file: Path, found: dict[str, Any]) -> None:
    """Write the whole file or nothing."""
    file.parent.mkdir(exist_ok=True)
    new = file.with_suffix(".new")
    new.write_text(json.dumps(found) + "\n")
    new.replace(file)
