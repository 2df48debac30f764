"""The embedded models on their test data at several r: writes README, docs/results/demo.md, its data and the picture.

    python -m benchmarks.demo_results

`python -m benchmarks.demo_results audio` writes one table alone.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, replace

import numpy as np

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from hf_tome.data.samples import Samples
from hf_tome.data.subject import embedded_subject
from hf_tome.measure.row import Row
from hf_tome.measure.sweep import sweep
from hf_tome.measure.table import markdown, speed
from hf_tome.show.sheet import subject_sheet

HEADER = ("r", "accuracy", "same prediction as unmerged", "speed-up", "MAC ratio (limit)", "tokens left")
CASES = {  # values of r, inputs in a batch, how often all of them are run
    "image": ([4, 8, 12, 16, 20], 50, 1),
    "audio": ([8, 17, 27], 11, 12),
    "video": ([25, 51, 75], 5, 6),
}


def cells(row: Row) -> tuple[str, ...]:
    """One row of the table."""
    return (
        "off" if row.r is None else str(row.r),
        f"{row.metric:.1%}",
        f"{row.agreement:.1%}",
        "1.00x" if row.r is None else speed(row),
        f"{row.mac_ratio:.2f}x",
        f"{row.token_counts[-1]} of {row.token_counts[0]}",
    )


def repeated(samples: Samples, times: int) -> Samples:
    """The same samples several times over, for more paired rounds: the accuracy is the same."""
    labels = np.concatenate([samples.labels] * times)  # pyright: ignore
    count = samples.count
    return replace(samples, read=lambda number: samples.read(number % count), labels=labels, count=count * times)


def main() -> None:
    for modality in sys.argv[1:] or CASES:
        rs, batch, times = CASES[modality]
        subject = embedded_subject(modality)
        rows = sweep(subject.classifier, repeated(subject.samples, times), rs, batch_size=batch, progress=False).rows
        rounds = len(rows[0].seconds)
        inputs = f"{subject.samples.count} {subject.media}, batches of {batch}"
        size = f"{inputs}, medians of {rounds} paired rounds (quartiles)"
        source = f"Measured by `python -m benchmarks.demo_results`: {size}. {machine()}"
        text = f"{markdown(HEADER, [cells(row) for row in rows])}\n\n{source}"
        write_block(ROOT / "docs/results/demo.md", modality, text)
        measured = {"rows": [asdict(row) for row in rows], "machine": machine()}
        Results(ROOT / "docs/results/data/demo.json").keep(modality, measured)
        if modality == "image":
            write_block(ROOT / "README.md", "demo", text)
            subject_sheet(subject, [8, 16]).save(ROOT / "docs/images/groups.png")
        print(text)


if __name__ == "__main__":
    main()
