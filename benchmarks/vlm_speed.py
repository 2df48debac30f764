"""What a question about an image costs in vision-language models of full size. Writes docs/results/vlm-speed.md.

    python -m benchmarks.vlm_speed                 # on this CPU, with a share of the layers: about 5 minutes
    python -m benchmarks.vlm_speed --device cuda   # whole models in bfloat16
    python -m benchmarks.vlm_speed --dry           # a tiny model, no page

Weights are random: time does not depend on them. The layers that are built are all alike, so a share of those of tower
and language model takes that share of the time.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import torch

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.results import Results
from hf_tome.measure.table import markdown
from hf_tome.measure.vlm import ANSWER, VlmRow, measure_vlm, vlm_table
from hf_tome.measure.vlm_presets import build_vlm, question

PAGE, RESULTS = ROOT / "docs/results/vlm-speed.md", ROOT / "docs/results/data/vlm-speed.json"
DEPTHS = {"llava-1.5-7b": Fraction(1, 16), "qwen2-vl-2b": Fraction(1, 16), "smolvlm-256m": Fraction(1, 6)}
KEEPS, ROUNDS = (1.0, 0.5, 0.25), 3


def measured(name: str, depth: float, device: str, rounds: int) -> list[VlmRow]:
    """The rows of one model."""
    model = build_vlm(name, depth=depth).to(device, torch.bfloat16 if device == "cuda" else torch.float32)
    return measure_vlm(model, question(name, model), KEEPS, rounds=rounds)


def page(device: str, found: dict[str, Any]) -> None:
    """Write the tables of one device: where the time goes unmerged, and the speed-ups."""
    models = {name: [VlmRow(**row) for row in case["rows"]] for name, case in found["models"].items()}
    depths = {name: "all" if case["depth"] == "1" else case["depth"] for name, case in found["models"].items()}
    parts = [
        [name, depths[name], *(f"{statistics.median(part):.2f} s" for part in (row.tower, row.first, row.rest))]
        for name, (row, *_) in models.items()
    ]
    where = markdown(("model", "layers", "tower", "first token", f"{ANSWER} more"), parts)
    first = next(iter(models.values()))
    header = ["model", *(f"{'merged tower, ' if row.r else ''}keep={row.keep}" for row in first[1:])]
    gains = [
        [name, *(f"{row.speedup:.2f}x ({row.mac_ratio:.2f}x)" for row in rows[1:])] for name, rows in models.items()
    ]
    about = f"Medians of {found['rounds']} paired rounds; in brackets the MAC ratio."
    source = f"Measured by `python -m benchmarks.vlm_speed`. {found['machine']}"
    write_block(PAGE, device, f"{where}\n\n{markdown(header, gains)}\n\n{about} {source}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dry", action="store_true", help="a tiny model, and nothing is written")
    args = parser.parse_args()
    if args.dry:
        print(markdown(*vlm_table(measured("tiny", 1.0, "cpu", rounds=1))))
        return
    results, models = Results(RESULTS), {}
    for name, share in DEPTHS.items():
        depth = Fraction(1) if args.device == "cuda" else share
        rows = measured(name, float(depth), args.device, ROUNDS)
        models[name] = {"depth": str(depth), "rows": [asdict(row) for row in rows]}
        print(f"{name}\n{markdown(*vlm_table(rows))}", flush=True)
        results.keep(args.device, {"models": models, "rounds": ROUNDS, "machine": machine(args.device)})
        page(args.device, results.found[args.device])


if __name__ == "__main__":
    main()
