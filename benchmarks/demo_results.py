"""The models in the package on their test data at several r: writes results/accuracy.md, README and the picture.

    python -m benchmarks.demo_results

`audio` behind it measures one model alone, `page` only writes.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.readme import write_readme
from benchmarks.results import Results
from benchmarks.speed_cases import DATA
from hf_tome.data.samples import Samples
from hf_tome.data.subject import embedded_subject
from hf_tome.measure.row import Row
from hf_tome.measure.sweep import sweep
from hf_tome.measure.table import cells, markdown
from hf_tome.show.sheet import subject_sheet

COLUMNS = {  # header: figure of `hf_tome.measure.table`
    "r": "r", "accuracy": "metric", "change": "change", "same prediction": "agreement", "speed-up": "median",
    "MAC ratio": "MAC ratio",
}  # fmt: skip
NAMES = {"image": "ViT", "audio": "AST", "video": "VideoMAE"}
SHOWN = {"image": (8, 16), "audio": (27,), "video": (75,)}  # in the table; the data have all
CASES = {  # values of r, inputs in a batch, how often the speed is measured, threads (None: all)
    "image": ([4, 8, 12, 16, 20], 50, 1, None),
    "audio": ([8, 17, 27], 11, 12, 1),
    "video": ([25, 51, 75], 5, 6, 1),
}


def measured(modality: str) -> dict[str, object]:
    """Quality on each sample once, speed on all of them several times."""
    rs, batch, times, threads = CASES[modality]
    torch.set_num_threads(threads or torch.get_num_threads())
    subject = embedded_subject(modality)
    report = sweep(subject.classifier, subject.samples, rs, batch_size=batch, progress=False)
    timed = report.rows
    if times > 1:
        timed = sweep(subject.classifier, repeated(subject.samples, times), rs, batch_size=batch, progress=False).rows
    for row, other in zip(report.rows, timed, strict=True):
        row.seconds, row.speedups, row.inputs = other.seconds, other.speedups, other.inputs
    rounds = len(timed[0].seconds)
    size = f"{subject.samples.count} {subject.media}, batches of {batch}, {rounds} paired rounds"
    return {"rows": [asdict(row) for row in report.rows], "size": size, "machine": machine()}


def repeated(samples: Samples, times: int) -> Samples:
    """The same samples several times over, for more paired rounds."""
    labels = np.concatenate([samples.labels] * times)  # pyright: ignore
    count = samples.count
    return replace(
        samples,
        read=lambda number: samples.read(number % count),
        path=lambda number: samples.path(number % count),
        labels=labels,
        said=[*samples.said] * times,
        count=count * times,
    )


def page(found: dict[str, Any]) -> None:
    """One table of all models."""
    lines: list[list[str]] = []
    for modality, name in NAMES.items():
        rows = [Row(**row) for row in found[modality]["rows"] if row["r"] in (None, *SHOWN[modality])]
        lines += [[name, *line] for line in cells(rows, COLUMNS)]
    sizes = ", ".join(found[modality]["size"].partition(",")[0] for modality in NAMES)
    machines = " ".join(dict.fromkeys(found[modality]["machine"] for modality in NAMES))
    source = f"Measured by `python -m benchmarks.demo_results`: {sizes}. {machines}"
    write_block(ROOT / "docs/results/accuracy.md", "demo", f"{markdown(['model', *COLUMNS], lines)}\n\n{source}")


def main() -> None:
    results = Results(DATA / "demo.json")
    if sys.argv[1:] != ["page"]:
        for modality in sys.argv[1:] or CASES:
            results.keep(modality, measured(modality))
        subject_sheet(embedded_subject("image"), [8, 16]).save(ROOT / "docs/images/groups.png")
    page(results.found)
    write_readme()


if __name__ == "__main__":
    main()
