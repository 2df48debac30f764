"""The paper's study of schedules (appendix D) in small, on the embedded ViT. Draws the plot of results/accuracy.md.

    python -m benchmarks.schedules

At each of several numbers of multiply-adds: random schedules, the constant and the decreasing one, and tuned ones. They
are judged on test images; the tuned ones were chosen on others. What is finished is in docs/results/data/schedules.json
and is not measured again; Ctrl-C loses one schedule. `--page` only draws.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from rich.progress import track

from benchmarks.pages import ROOT, machine
from benchmarks.results import Results
from benchmarks.schedules_plot import LEVELS, RANDOM, SEARCHERS, TRIALS, plot
from hf_tome import ToMeConfig
from hf_tome.data.embedded import embedded_images, embedded_processor, embedded_vit
from hf_tome.tune import Space, Trials, tune, usual_schedules
from hf_tome.tune.space import PerLayer

RESULTS = ROOT / "docs/results/data/schedules.json"
TESTED, CALIBRATION, BATCH = (32, 80), (80, 144), 48  # which images are judged on and chosen by; images


def batches(start: int, stop: int) -> list[dict[str, Any]]:
    """Some of the embedded images, with their labels."""
    images, labels = embedded_images()
    processor, found = embedded_processor(), []
    for first in range(start, stop, BATCH):
        last = min(first + BATCH, stop)
        inputs = dict(processor(images[first:last], return_tensors="pt"))
        found.append({**inputs, "labels": torch.from_numpy(labels[first:last])})
    return found


def random_schedule(space: Space, macs: int, seed: list[int]) -> PerLayer:
    """A schedule in proportion to weights drawn evenly from all that add up to one."""
    chance = np.random.default_rng(seed)
    while (schedule := space.along(chance.dirichlet(np.ones(space.layers)), macs)) is None:
        pass
    return schedule


def keep(results: Results, name: str, tests: Trials, schedule: PerLayer, **more: Any) -> None:
    """Judge one schedule on the test images, unless that was done."""
    if name not in results.found:
        results.keep(name, {"r": schedule, "ratio": tests.space.ratio(schedule), **asdict(tests(schedule)), **more})


def tuned(level: float, tests: Trials, results: Results) -> None:
    """What each searcher finds with few and with many trials."""
    for searcher in SEARCHERS:
        known: dict[PerLayer, Any] = {}
        for trials in TRIALS:
            name = f"{level}/{searcher}/{trials}"
            if name in results.found:
                continue
            best = tune(embedded_vit(), batches(*CALIBRATION), target_speedup=level, trials=trials,
                        searcher=searcher, known=known)  # fmt: skip
            known = dict(best.known)
            keep(results, name, tests, tuple(best.r), calibration=asdict(best.trial), tried=len(known) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", action="store_true", help="only draw the plot")
    results = Results(RESULTS)
    if not parser.parse_args().page:
        tests = Trials(embedded_vit(), batches(*TESTED), ToMeConfig(r=0))
        space = tests.space
        keep(results, "unmerged", tests, space.nothing)
        results.keep("machine", machine())
        for number, level in enumerate(LEVELS):
            macs = int(space.macs(space.nothing) / level)
            for name, schedule in usual_schedules(space, macs).items():
                keep(results, f"{level}/{name}", tests, schedule)
            tuned(level, tests, results)
            for each in track(range(RANDOM), f"Random schedules at {level}x"):
                keep(results, f"{level}/random/{each}", tests, random_schedule(space, macs, [number, each]))
    plot(results.found)


if __name__ == "__main__":
    main()
