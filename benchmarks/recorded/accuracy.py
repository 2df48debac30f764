"""What merging costs a pretrained ViT-S/14 in accuracy, by schedule. Writes its part of results/accuracy.md.

    python -m benchmarks.recorded.accuracy RUNS --vit PROBED_VIT --fashion FASHION_MNIST

PROBED_VIT is what `linear_probe` made, FASHION_MNIST the folder of the authors' four files. Finished batches and
finished schedules are kept in the folder RUNS, the finished table in docs/results/data/accuracy.json; neither is
measured again. `--page` only writes the page.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.pages import ROOT, machine
from benchmarks.recorded.accuracy_page import write_page
from benchmarks.recorded.linear_probe import pictures
from benchmarks.results import Results
from hf_tome import ToMeConfig
from hf_tome.data.classifier import Classifier, load_classifier
from hf_tome.data.samples import Samples
from hf_tome.measure.sweep import sweep
from hf_tome.tune import Space, usual_schedules
from hf_tome.tune.report import tune_kept

RESULTS = ROOT / "docs/results/data/accuracy.json"
RS, MATCHED = (4, 8, 12, 16, 20, 28), (16, 28)  # constant r; those of which the multiply-adds are matched
CALIBRATION, TRIALS, TESTED, BATCH = 48, 96, 300, 10  # images; schedules for each number of multiply-adds; images


def samples_of_pictures(name: str, images: Sequence[Image.Image], labels: np.ndarray) -> Samples:
    """Pictures in memory to evaluate on, the first so many of `name`: more of them later keep the finished batches."""
    return Samples(
        name=name,
        source=name,
        split="test",
        fingerprint=name,
        read=lambda number: images[number],
        labels=labels,
        count=len(images),
    )


def tuned(vit: Classifier, images: Sequence[Image.Image], store: Path, results: Results) -> dict[str, list[int]]:
    """Schedules with the multiply-adds of each constant r: decreasing ones, and tuned ones by images without labels."""
    batches = [vit.inputs(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    config: Any = vit.model.config
    tokens = (config.image_size // config.patch_size) ** 2 + 1
    space = Space(tokens, config.num_hidden_layers, 1, config.hidden_size, config.intermediate_size)
    found: dict[str, list[int]] = {}
    for r in MATCHED:
        constant = (r,) * space.layers
        found[f"decreasing/{r}"] = list(usual_schedules(space, space.macs(constant))["decreasing"])
        if f"tuned/{r}" not in results.found:
            target = space.ratio(constant) * (1 - 1e-9)  # its own ratio must not be lost to rounding
            best = tune_kept(vit, batches, store, target_speedup=target, trials=TRIALS)
            results.keep(f"tuned/{r}", {"r": best.r, **asdict(best.trial), "trials": len(best.known) - 1})
        found[f"tuned/{r}"] = results.found[f"tuned/{r}"]["r"]
    return found


def pretrained(runs: Path, vit: Classifier, fashion: Path, results: Results) -> None:
    """The ViT-S/14 on the first test images, with every schedule."""
    images, _ = pictures(fashion, "train")
    schedules = tuned(vit, images[-CALIBRATION:], runs / "tuned.sqlite", results)
    variants = [ToMeConfig(r=r, prop_attn=on) for on in (True, False) for r in RS]
    variants += [ToMeConfig(r=r, prop_attn=True) for r in schedules.values()]
    tests, labels = pictures(fashion, "t10k")
    data = samples_of_pictures("Fashion-MNIST, test", tests[:TESTED], labels[:TESTED])
    report = sweep(vit, data, variants, batch_size=BATCH, store=runs / "accuracy.sqlite")
    results.keep("vit", {**asdict(report), "model": "ViT-S/14", "machine": machine()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder for what is finished")
    parser.add_argument("--vit", type=Path, help="a ViT-S/14 with a linear probe, a folder")
    parser.add_argument("--fashion", type=Path, help="the files of Fashion-MNIST, a folder")
    parser.add_argument("--page", action="store_true", help="only write the page")
    args = parser.parse_args()
    results = Results(RESULTS)
    if not args.page and "vit" not in results.found:
        if not args.vit or not args.fashion:
            parser.error("--vit and --fashion are needed to measure")
        args.runs.mkdir(parents=True, exist_ok=True)
        pretrained(args.runs, load_classifier(str(args.vit)), args.fashion, results)
    write_page(results.found)


if __name__ == "__main__":
    main()
