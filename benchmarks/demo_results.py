"""The embedded models on their test data at several r: writes README, docs/results/demo.md and the picture.

    python benchmarks/demo_results.py

`python benchmarks/demo_results.py audio` writes one table alone.
"""

from __future__ import annotations

import sys

from pages import ROOT, machine, markdown, speed, write_block

from hf_tome.demo import embedded_case, picture
from hf_tome.report.compare import Row, compare

HEADER = ("r", "accuracy", "same prediction as unmerged", "speed-up", "MAC ratio (limit)", "tokens left")
CASES = {  # values of r, inputs in a batch, how often all of them are run
    "image": ([4, 8, 12, 16, 20], 50, 1),
    "audio": ([8, 17, 27], 11, 6),
    "video": ([25, 51, 75], 5, 3),
}


def cells(row: Row) -> tuple[str, ...]:
    """One row of the table."""
    return (
        "off" if row.r is None else str(row.r),
        f"{(row.correct or 0) / row.inputs:.1%}",
        f"{row.agreeing / row.inputs:.1%}",
        "1.00x" if row.r is None else speed(row),
        f"{row.mac_ratio:.2f}x",
        f"{row.token_counts[-1]} of {row.token_counts[0]}",
    )


def main() -> None:
    for modality in sys.argv[1:] or CASES:
        rs, batch, times = CASES[modality]
        case = embedded_case(modality, limit=1000)
        rows = compare(case.model, [*case.batches(batch)] * times, rs)
        rounds = len(rows[0].seconds)
        size = f"{len(case.media)} {case.name}, batches of {batch}, medians of {rounds} paired rounds (quartiles)"
        source = f"Measured by `python benchmarks/demo_results.py`: {size}. {machine()}"
        text = f"{markdown(HEADER, [cells(row) for row in rows])}\n\n{source}"
        write_block(ROOT / "docs/results/demo.md", modality, text)
        if modality == "image":
            write_block(ROOT / "README.md", "demo", text)
            picture(case, [8, 16], ROOT / "docs/images/groups.png")
        print(text)


if __name__ == "__main__":
    main()
