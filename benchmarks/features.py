"""Neighbours of the embedded ViT's features, and a linear probe on them, over r: writes a table of docs/evaluate.md.

python -m benchmarks.features
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from benchmarks.speed_cases import DATA
from hf_tome.data.embedded import VIT
from hf_tome.data.embedder import load_embedder
from hf_tome.data.subject import embedded_subject
from hf_tome.measure.sweep import sweep
from hf_tome.measure.table import cells, markdown


def main() -> None:
    report = sweep(load_embedder(VIT), embedded_subject("image").samples, [8, 16, 24])
    Results(DATA / "features.json").keep("report", asdict(report))
    figures = {"variant": "name", str(report.metric): "metric", "change": "change"}
    figures |= {name: name for name in report.rows[0].more} | {"MAC ratio": "MAC ratio"}
    source = f"Measured by `python -m benchmarks.features`: {report.samples} images. {machine()}"
    rows = markdown(list(figures), cells(report.rows, figures))
    write_block(ROOT / "docs/evaluate.md", "features", f"{rows}\n\n{source}")


if __name__ == "__main__":
    main()
