"""Train small models with and without merging on real data, and write docs/results/training.md.

    python -m benchmarks.recorded.training RUNS --fsdd fsdd.zip --kits DRUMKITS --fashion FASHION_MNIST --vit VIT_S14

Each training is a run of an example script, on one thread. What is finished is in docs/results/data/training.json and
is not run again; Ctrl-C loses one training at most. A case whose source is not given is left out. `--only digits` runs
one case, and `--page` only writes the page.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.pages import ROOT, machine
from benchmarks.recorded.training_cases import CASES, FASHION, FSDD, KITS, STILL, VIT, Case
from benchmarks.recorded.training_page import write_page
from benchmarks.recorded.training_steps import steps
from benchmarks.results import Results
from hf_tome.data.folder import files_below

RESULTS = ROOT / "docs/results/data/training.json"
OPTIONS: dict[str, Any] = {  # nothing is chosen by the test set: the last weights are the result
    "per_device_train_batch_size": 32, "per_device_eval_batch_size": 50, "lr_scheduler_type": "cosine",
    "weight_decay": 0.05, "eval_strategy": "no", "save_strategy": "no", "load_best_model_at_end": False,
    "use_cpu": True,
}  # fmt: skip
FIRST_RATE = "1e-3"
ALONE = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
console = Console()


def call(command: list[str]) -> float:
    """Run it to its end; seconds of processor time that it took.

    Raises:
        SystemExit: if it fails.
    """
    console.print("[dim]$ " + " ".join(command), soft_wrap=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, env={**os.environ, **ALONE}, stderr=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"training: this failed:\n{' '.join(command)}\n{done.stderr[-2000:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def train(case: Case, data: Path, model: Path, out: Path, r: int, epochs: int, **options: Any) -> dict[str, float]:
    """One run of an example script: its metric, and its processor time with start-up and evaluation. 0 epochs: only
    evaluate."""
    chosen = {"model": model, "data": data, "r": r, "num_train_epochs": epochs, "output_dir": out}
    chosen |= {**OPTIONS, **case.options, **options}
    named = [word for name, value in chosen.items() for word in (f"--{name}", str(value))]
    seconds = call([sys.executable, str(ROOT / f"examples/finetune_{case.script}.py"), *named])
    found = json.loads((out / "eval_results.json").read_text())
    return {"metric": found[f"eval_{case.metric}"], "seconds": seconds}


def run_case(case: Case, folder: Path, sources: dict[str, str | None], results: Results, seeds: int) -> None:
    """Everything of a case that is not there yet."""
    data, start = folder / "data", folder / "start"
    if not data.exists():
        part = folder / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        call(case.make_data(part, sources.get(case.source)))
        part.rename(data)
    found = tuple(len(files_below(data / split, case.script)) for split in ("train", "test"))
    if found != case.files:
        sys.exit(f"training: {data} holds {found} files to train and to test on, not {case.files}. Remove it.")
    if not start.exists():
        start = first(case, folder, data, sources, results)
    for seed in case.seeds[:seeds]:
        for r in (0, *case.rs) if case.epochs else ():
            name, out = f"{case.name}/trained/{r}/{seed}", folder / f"r{r}-seed{seed}"
            if name not in results.found or not (out / "config.json").exists():
                results.keep(name, train(case, data, start, out, r, case.epochs, seed=seed, learning_rate=case.rate))
            name = f"{case.name}/untrained/{r}/{seed}"
            if r and name not in results.found:
                trained = folder / f"r0-seed{seed}"
                results.keep(name, train(case, data, trained, folder / "evaluated", r, 0, seed=seed))
    if case.epochs and f"{case.name}/steps" not in results.found:
        results.keep(f"{case.name}/steps", steps(case, folder / f"r0-seed{case.seeds[0]}", data))
    results.keep(f"{case.name}/machine", machine())


def first(case: Case, folder: Path, data: Path, sources: dict[str, str | None], results: Results) -> Path:
    """The model that all trainings of a case start from."""
    if case.coarse is None:
        return Path(sources[VIT] or "")
    coarse, trained, start = folder / "coarse", folder / "first", folder / "start"
    if not (trained / "eval_results.json").exists():
        case.coarse(coarse)
        options = {"seed": 0, "learning_rate": FIRST_RATE}
        results.keep(f"{case.name}/first", train(case, data, coarse, trained, 0, case.first, **options))
    if case.fine is not None:
        case.fine(trained, start)
    return start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder for data and models")
    parser.add_argument(FSDD, help="the Free Spoken Digit Dataset, a zip file")
    parser.add_argument(KITS, help="Hydrogen's drum kits, a folder")
    parser.add_argument(FASHION, help="the files of Fashion-MNIST, a folder")
    parser.add_argument(VIT, help="a pretrained ViT-S/14 for 112x112 pixels with its processor, a folder")
    parser.add_argument("--only", nargs="*", choices=[case.name for case in (*CASES, STILL)])
    parser.add_argument("--seeds", type=int, default=3, help="run at most so many seeds of a case")
    parser.add_argument("--page", action="store_true", help="only write the page")
    args = parser.parse_args()
    sources = {f"--{name}": getattr(args, name) for name in ("fsdd", "kits", "fashion", "vit")}
    results = Results(RESULTS)
    for case in () if args.page else (*CASES, STILL):
        missing = [each for each in (case.source, VIT if case.coarse is None else "") if each and not sources[each]]
        if missing or (args.only and case.name not in args.only):
            console.print(f"{case.title}: left out" + (f", it needs {' and '.join(missing)}" if missing else ""))
            continue
        console.rule(case.title)
        run_case(case, args.runs / case.name, sources, results, args.seeds)
    write_page(Results(RESULTS).found)


if __name__ == "__main__":
    main()
