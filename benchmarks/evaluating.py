"""The embedded ViT over r, proportional attention on and off: the plot of docs/evaluate.md, and its data.

python -m benchmarks.evaluating
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.pages import ROOT, machine
from benchmarks.results import Results
from benchmarks.speed_cases import DATA
from hf_tome import ToMeConfig
from hf_tome.data.subject import embedded_subject
from hf_tome.measure.plot import plot_tradeoff
from hf_tome.measure.sweep import sweep


def main() -> None:
    subject = embedded_subject("image", 500)
    variants = [ToMeConfig(r, prop_attn=on) for r in (8, 16, 24) for on in (True, False)]
    report = sweep(subject.classifier, subject.samples, variants)
    plot_tradeoff(report, ROOT / "docs/images/evaluating.png")
    results = Results(DATA / "evaluating.json")
    results.keep("report", asdict(report))
    results.keep("machine", machine())


if __name__ == "__main__":
    main()
