"""The embedded ViT over r, proportional attention on and off: writes the table and the plot of docs/evaluate.md.

python -m benchmarks.evaluating
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from benchmarks.speed_cases import DATA
from hf_tome import ToMeConfig
from hf_tome.data.subject import embedded_subject
from hf_tome.measure.plot import plot_tradeoff
from hf_tome.measure.sweep import sweep
from hf_tome.measure.table import markdown, table


def main() -> None:
    subject = embedded_subject("image", 500)
    variants = [ToMeConfig(r, prop_attn=on) for r in (8, 16, 24) for on in (True, False)]
    report = sweep(subject.classifier, subject.samples, variants)
    plot_tradeoff(report, ROOT / "docs/images/evaluating.png")
    Results(DATA / "evaluating.json").keep("report", asdict(report))
    source = f"Measured by `python -m benchmarks.evaluating`: {report.samples} images, batches of 32. {machine()}"
    write_block(ROOT / "docs/evaluate.md", "evaluating", f"{markdown(*table(report, brief=True))}\n\n{source}")


if __name__ == "__main__":
    main()
