"""The embedded ViT on 1,000 test images at several r: writes README, docs/results/demo.md and the picture.

python benchmarks/demo_results.py
"""

from __future__ import annotations

from pages import ROOT, machine, markdown, speed, write_block

from hf_tome.demo import embedded_case, picture
from hf_tome.report.compare import compare

HEADER = ("r", "accuracy", "same prediction as unmerged", "speed-up", "MAC ratio (limit)", "tokens left")


def main() -> None:
    case = embedded_case(limit=1000)
    rows = compare(case.model, case.batches(50), [4, 8, 12, 16, 20])
    cells = [
        (
            "off" if row.r is None else str(row.r),
            f"{(row.correct or 0) / row.inputs:.1%}",
            f"{row.agreeing / row.inputs:.1%}",
            "1.00x" if row.r is None else speed(row),
            f"{row.mac_ratio:.2f}x",
            f"{row.token_counts[-1]} of {row.token_counts[0]}",
        )
        for row in rows
    ]
    source = f"Measured by `python benchmarks/demo_results.py`: {rows[0].inputs} images, batches of 50. {machine()}"
    text = f"{markdown(HEADER, cells)}\n\n{source}"
    write_block(ROOT / "README.md", "demo", text)
    write_block(ROOT / "docs/results/demo.md", "demo", text)
    picture(case, [8, 16], ROOT / "docs/images/groups.png")
    print(text)


if __name__ == "__main__":
    main()
