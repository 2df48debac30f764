"""The embedded ViT over r, proportional attention on and off: writes the table and the plot of docs/evaluating.md.

python benchmarks/evaluating.py
"""

from __future__ import annotations

from pages import ROOT, machine, write_block

from hf_tome.cli.evaluate import grid
from hf_tome.data.subject import embedded_subject
from hf_tome.measure.plot import plot_tradeoff
from hf_tome.measure.sweep import sweep
from hf_tome.measure.table import markdown, table


def main() -> None:
    subject = embedded_subject("image", 500)
    report = sweep(subject.classifier, subject.samples, grid(["8,16,24"], ["prop_attn=on,off"]))
    plot_tradeoff(report, ROOT / "docs/images/evaluating.png")
    source = f"Measured by `python benchmarks/evaluating.py`: {report.samples} images, batches of 32. {machine()}"
    write_block(ROOT / "docs/evaluating.md", "evaluating", f"{markdown(*table(report))}\n\n{source}")


if __name__ == "__main__":
    main()
