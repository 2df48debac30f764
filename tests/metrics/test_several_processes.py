"""Each metric where several processes hold a part of the samples: to the last digit that of one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest

from hf_tome.metrics.accuracy import Accuracy
from hf_tome.metrics.average_precision import MeanAveragePrecision

SAMPLES = 31  # divides by neither 2 nor 3

CHILD = """
import json, os, sys
from pathlib import Path
import numpy as np
from hf_tome.metrics.accuracy import Accuracy
from hf_tome.metrics.average_precision import MeanAveragePrecision
folder, rank, world = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
data = np.load(folder + "/data.npz")
for kind, labels in ((Accuracy, "numbers"), (MeanAveragePrecision, "several")):
    metric = kind(num_process=world, process_id=rank, experiment_id=kind.__name__, cache_dir=folder)
    mine = np.array_split(np.arange(len(data["scores"])), world)[rank]
    for half in np.array_split(mine, 2):
        metric.add_batch(predictions=data["scores"][half], references=data[labels][half])
    found = metric.compute()
    assert (found is None) == (rank > 0)
    if rank == 0:
        Path(folder, kind.__name__ + ".json").write_text(json.dumps(found))
"""


def made() -> dict[str, np.ndarray]:
    chance = np.random.default_rng(0)
    return {
        "scores": chance.normal(size=(SAMPLES, 7)).astype(np.float32),
        "numbers": chance.integers(0, 7, SAMPLES),
        "several": chance.integers(0, 2, (SAMPLES, 7)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
@pytest.mark.parametrize("torchrun", [False, True], ids=["by hand", "torchrun"])
def test_the_parts_give_the_whole(processes: int, torchrun: bool, tmp_path: Path) -> None:
    data = made()
    np.savez(tmp_path / "data.npz", **data)  # pyright: ignore
    script = tmp_path / "child.py"
    head = "import sys, os\nsys.argv[2:] = [os.environ['RANK'], os.environ['WORLD_SIZE']]\n" if torchrun else ""
    script.write_text(head + CHILD)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if torchrun:
        command = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), str(script)]
        assert subprocess.run([sys.executable, *command, str(tmp_path)], env=environment, timeout=200).returncode == 0
    else:
        command = [sys.executable, str(script), str(tmp_path)]
        ranks = [subprocess.Popen([*command, str(rank), str(processes)], env=environment) for rank in range(processes)]
        assert [rank.wait(200) for rank in ranks] == [0] * processes
    wholes: dict[str, Any] = {
        "Accuracy": Accuracy().compute(predictions=data["scores"], references=data["numbers"]),
        "MeanAveragePrecision": MeanAveragePrecision().compute(predictions=data["scores"], references=data["several"]),
    }
    for name, whole in wholes.items():
        assert json.loads((tmp_path / f"{name}.json").read_text()) == whole


def test_metrics_combined(tmp_path: Path) -> None:
    data = made()
    both = evaluate.combine([Accuracy(), Accuracy()])
    alone = Accuracy().compute(predictions=data["scores"], references=data["numbers"]) or {}
    found = both.compute(predictions=data["scores"], references=data["numbers"]) or {}
    assert {value for key, value in found.items() if key.endswith("_0_accuracy")} == {alone["accuracy"]}
    several = {"predictions": data["scores"], "references": data["several"]}
    assert evaluate.combine([MeanAveragePrecision()]).compute(**several) == MeanAveragePrecision().compute(**several)
    in_parts = evaluate.combine([MeanAveragePrecision()])
    for part in np.array_split(np.arange(SAMPLES), 4):
        in_parts.add_batch(predictions=data["scores"][part], references=data["several"][part])
    assert in_parts.compute() == MeanAveragePrecision().compute(**several)
