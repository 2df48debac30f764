"""The speed benchmark for a GPU, dry: on a CPU with tiny models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import benchmarks
from benchmarks import speed_gpu
from benchmarks.speed import main
from benchmarks.speed_cases import DRY
from benchmarks.speed_page import load_gpu, way_rows

ROOT = Path(benchmarks.__file__).parent.parent
# Of what the developers' environment holds: what a bare machine with torch and transformers may lack.
LACKING = "accelerate click datasets evaluate jaxtyping matplotlib optuna pandas psutil rich scipy sklearn typer"


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "speed-gpu.jsonl").read_text().splitlines()]


def test_each_case_is_measured_eagerly_and_as_a_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_gpu, "SECONDS", {"eager": 0})
    main(["gpu", "--dry", "--out", str(tmp_path)])
    machine, *rows = rows_in(tmp_path)
    assert machine["dry"]
    eager, graph = ["unpatched", "hf_tome", "cut", "plain"], ["unpatched", "hf_tome", "cut"]
    assert [row["variant"] for row in rows] == (eager + graph) * len(DRY)
    assert [row["config"] for row in rows] == [case.config for case in DRY for _ in eager + graph]
    assert all(row["mac_ratio"] > 1 for row in rows if row["variant"] != "unpatched")


@pytest.mark.slow
def test_compiled_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed_gpu, "SECONDS", {"compiled": 0})
    speed_gpu.measure_gpu(tmp_path, limit=600, dry=True, cases=DRY[:1])
    assert [row.get("variant") for row in rows_in(tmp_path)[1:]] == ["unpatched", "hf_tome", "cut"] * 2


@pytest.mark.slow
def test_the_ways_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.setattr(speed_gpu, "SECONDS", {"ways": 0})
    speed_gpu.measure_gpu(tmp_path, limit=600, dry=True, cases=DRY[:1])
    rows = rows_in(tmp_path)[1:]
    assert {row.get("part") for row in rows} == {"attention", "add, merge, norm", "decide", "restore"}
    assert all(len(row["us"]) == DRY[0].rounds for row in rows)


def test_what_fails_or_has_no_time_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(speed_gpu, "rows_of", fail)
    monkeypatch.setattr(speed_gpu, "SECONDS", {"eager": 0, "compiled": 10**6})
    speed_gpu.measure_gpu(tmp_path, limit=600, dry=True)
    _, *rows = rows_in(tmp_path)
    assert [("error" in row, "skipped" in row) for row in rows] == [(True, False)] * 3 + [(False, True)] * 3


def test_a_case_that_hangs_ends_with_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*args: Any) -> None:
        while True:
            pass

    monkeypatch.setattr(speed_gpu, "rows_of", hang)
    monkeypatch.setattr(speed_gpu, "SECONDS", {"eager": 0})
    speed_gpu.measure_gpu(tmp_path, limit=0.2, dry=True)
    assert len(rows_in(tmp_path)) == 1


def test_the_page_reads_what_the_run_wrote(tmp_path: Path) -> None:
    file = tmp_path / "speed-gpu.jsonl"
    about = {"config": "vit-base", "batch": 1, "r": 16, "how": "eager", "mac_ratio": 2.016, "score": 0.9}
    lines = [
        {"machine": "a card", "dry": False},
        {**about, "variant": "hf_tome", "speedup": 1.8},
        {**about, "variant": "hf_tome", "speedup": 1.9, "graph": True},
        {**about, "how": "compiled", "error": "RuntimeError: out of memory"},
        {**about, "how": "ways", "part": "decide", "way": "one launch", "us": [9.0, 7.0, 8.0]},
    ]
    file.write_text("\n".join(map(json.dumps, lines)))
    assert load_gpu(file) == ([["ViT-B/16", "1", "16", "eager", "2.02x", "1.80x", "1.90x", "0.90", "", ""]], "a card")
    assert way_rows(file) == [["decide", "one launch", "", "", "", "", "8.0"]]
    file.write_text(json.dumps({"machine": "a CPU", "dry": True}))
    with pytest.raises(SystemExit, match="dry run"):
        load_gpu(file)


@pytest.mark.slow
def test_the_script_needs_torch_and_transformers_alone(tmp_path: Path) -> None:
    """Called by its path, where the packages of the extras cannot be imported."""
    hide = f"import runpy, sys; sys.modules.update(dict.fromkeys({LACKING.split()!r}))"
    script = f"sys.argv = ['speed.py', 'gpu', '--dry', '--limit', '10', '--out', {str(tmp_path)!r}]"
    run = f"runpy.run_path({str(ROOT / 'benchmarks/speed.py')!r}, run_name='__main__')"
    subprocess.run([sys.executable, "-c", f"{hide}\n{script}\n{run}"], cwd=ROOT, check=True, timeout=300)
    assert len(rows_in(tmp_path)) == 1 + 3 * len(DRY)  # none begins with so little time
