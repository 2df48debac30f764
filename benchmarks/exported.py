"""The speed that merging keeps in ONNX Runtime and OpenVINO: writes the table of docs/deploy.md.

python -m benchmarks.exported          all cases, about 40 minutes on two cores; goes on where it was interrupted
python -m benchmarks.exported --dry    the same families, tiny; prints the table, and writes nothing
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.pages import ROOT, write_block
from benchmarks.speed_cases import DATA, DRY, Case
from benchmarks.speed_cpu import measure_cases
from hf_tome import ToMeConfig, apply_tome
from hf_tome.export import FORMATS, export
from hf_tome.measure.compare import Run, inference, time_rounds, token_costs, twin
from hf_tome.measure.presets import build, random_inputs
from hf_tome.measure.row import Row, pair
from hf_tome.measure.table import markdown, speed
from hf_tome.measure.variants import UNMERGED

CASES = (
    Case("vit-small", (13,), batch=1, rounds=60),
    Case("vit-small", (13,), batch=8, rounds=20),
    Case("vit-base", (16,), batch=1, rounds=30),
    Case("vit-base", (16,), batch=8, rounds=12),
    Case("ast-base", (96,), batch=1, rounds=12),
    Case("videomae-base", (130,), batch=1, rounds=8),
)
RUNTIMES = {"onnx": "ONNX Runtime", "openvino": "OpenVINO", "eager": "PyTorch", "compiled": "PyTorch, compiled"}
HEADER = ("model", "batch", "r", "MAC ratio", *RUNTIMES.values())


def main() -> None:
    dry = "--dry" in sys.argv[1:]
    with TemporaryDirectory() as folder:  # where a dry run is kept
        kept = (Path(folder) if dry else ROOT / "runs") / "exported.json"
        found, kept = measure_cases(DRY if dry else CASES, kept, _measured)
        if dry:
            print(markdown(HEADER, [_line(each) for each in found["cases"]]))
            return
        kept.replace(DATA / "exported.json")
    page(found)


def page(found: dict[str, Any]) -> None:
    """Write the table."""
    about = "Speed-up (quartiles), and a merged batch; medians of paired rounds, random weights."
    source = f"Measured by `make bench-export`. {found['machine']}"
    table = markdown(HEADER, [_line(each) for each in found["cases"]])
    write_block(ROOT / "docs/deploy.md", "exported", f"{table}\n\n{about} {source}")


def _measured(case: Case) -> dict[str, list[dict[str, Any]]]:
    """For each runtime two rows: the unmerged model, and the merged one."""
    (r,) = case.rs
    model = build(case.config, **case.settings)
    inputs, merged = random_inputs(model, case.batch), apply_tome(twin(model), r=r)
    costs = token_costs(model, None, inputs), token_costs(model, ToMeConfig(r), inputs)
    measured = {}
    for runtime in RUNTIMES:
        with TemporaryDirectory() as folder:
            runs = [_run(each, inputs, runtime, Path(folder) / str(n)) for n, each in enumerate((model, merged))]
            rows = [Row(name=UNMERGED, **costs[0]), Row(r, **costs[1])]
            for row, seconds in zip(rows, time_rounds(runs, inputs, case.rounds), strict=True):
                row.seconds, row.batch, row.inputs = seconds, case.batch, case.rounds * case.batch
        pair(rows)
        measured[runtime] = [asdict(row) for row in rows]
        print(f"{case.name}, batch {case.batch}, {RUNTIMES[runtime]}: {speed(rows[1])}", file=sys.stderr, flush=True)
    return measured


def _run(model: Any, inputs: dict[str, torch.Tensor], runtime: str, file: Path) -> Run:
    """One forward in a runtime, warm."""
    if runtime in FORMATS:
        path = file.with_suffix(FORMATS[runtime].suffix)
        export(model, inputs, path, runtime)
        run = FORMATS[runtime].read(path)
    else:
        run = inference(torch.compile(model) if runtime == "compiled" else model)
    run(inputs)
    return run


def _line(found: dict[str, Any]) -> list[str]:
    """One case: its speed-up in each runtime."""
    case, rows = Case(**found["case"]), [Row(**found["rows"][runtime][1]) for runtime in RUNTIMES]
    gains = (f"{speed(row)}, {1000 * case.batch / row.per_second:.0f} ms" for row in rows)
    return [case.name, str(case.batch), str(rows[0].r), f"{rows[0].mac_ratio:.2f}x", *gains]


if __name__ == "__main__":
    main()
