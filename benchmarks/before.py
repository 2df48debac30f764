"""The time of the default path beside that of another commit, so that a change that makes it slower is seen.

    python -m benchmarks.before COMMIT

Both packages run in one process, in turn; the other one runs twice, as two variants, which shows the noise. Their
outputs must agree within 1e-5.
"""

from __future__ import annotations

import copy
import importlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

import hf_tome
from benchmarks.pages import ROOT, machine
from hf_tome.data.embedded import embedded_vit
from hf_tome.measure.compare import inference, time_rounds
from hf_tome.measure.presets import build, random_inputs
from hf_tome.measure.row import Row, pair
from hf_tome.measure.table import markdown

NAME, EARLIER = "hf_tome", "hf_tome_earlier"
CASES = (  # r, batch, rounds
    ("embedded ViT", 16, 1, 1000),
    ("embedded ViT", 16, 8, 400),
    ("ViT-S/16", 13, 1, 200),
    ("ViT-S/16", 13, 8, 40),
)
HEADER = ("model", "batch", "r", "time against the earlier", "quartiles", "the earlier against itself")


def unpack(commit: str, folder: Path) -> None:
    """Put the package of a commit into a folder, under another name: so both can be imported."""
    told = ["git", "archive", commit, NAME]
    archive = subprocess.run(told, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode:
        raise SystemExit(f"There must be such a commit. Got: {commit} ({archive.stderr.decode().strip()}).")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    (folder / NAME).rename(folder / EARLIER)
    for source in (folder / EARLIER).rglob("*.py"):
        source.write_text(source.read_text().replace(NAME, EARLIER))


def timings(models: list[nn.Module], inputs: dict[str, Any], rounds: int) -> list[Row]:
    """The models in turn on one batch."""
    runs = [inference(model) for model in models]
    logits = [run(inputs) for run in runs for _ in range(5)]
    if not all(torch.allclose(each, logits[0], rtol=0, atol=1e-5) for each in logits):
        raise SystemExit("The outputs of the two trees differ.")
    rows = [Row(seconds=seconds) for seconds in time_rounds(runs, inputs, rounds)]
    pair(rows)
    return rows


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        unpack(sys.argv[1], Path(folder))
        sys.path.insert(0, folder)
        earlier = importlib.import_module(EARLIER)
        for name, r, batch, rounds in CASES:
            model: Any = embedded_vit() if name == "embedded ViT" else build("vit-small")
            models = [each.apply_tome(copy.deepcopy(model), r) for each in (earlier, earlier, hf_tome)]
            _, again, now = timings(models, random_inputs(model, batch), rounds)
            low, high = now.spread
            spread = f"{1 / high:.3f} to {1 / low:.3f}"
            rows.append((name, str(batch), str(r), f"{1 / now.speedup:.3f}", spread, f"{1 / again.speedup:.3f}"))
    print(f"{markdown(HEADER, rows)}\n\nMedians of paired rounds against {sys.argv[1]}. {machine()}")


if __name__ == "__main__":
    main()
