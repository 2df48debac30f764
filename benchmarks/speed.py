"""Measure full-size models with random weights, and write docs/results/speed.md with its data and plots.

python benchmarks/speed.py cpu               # make bench: under 15 minutes on 2 cores
python benchmarks/speed.py encoders          # one encoder of each kind on this CPU: under 10 minutes
python benchmarks/speed.py gpu --out RUNS    # make bench-gpu: under 8 minutes; each row goes to RUNS/speed-gpu.jsonl
python benchmarks/speed.py gpu --dry         # the same script on a CPU with tiny models, to see that it works
python benchmarks/speed.py pages             # write the pages anew, from docs/results/data/speed-{cpu.json,gpu.jsonl}

`gpu` needs torch, triton and transformers, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # called by its path: then the first place to import from is this folder, not the repository
    sys.path[0] = str(Path(__file__).resolve().parent.parent)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["cpu", "encoders", "gpu", "pages"])
    parser.add_argument("--out", type=Path, default=os.environ.get("OUT", "runs"), help="gpu: folder for the rows")
    parser.add_argument("--limit", type=float, default=440.0, help="gpu: seconds after which it ends")
    parser.add_argument("--dry", action="store_true", help="gpu: on a CPU, with tiny models")
    options = parser.parse_args(arguments)
    if options.what == "gpu":
        if options.dry:  # the kernels run in Triton's interpreter, if it is told before its first import
            os.environ.setdefault("TRITON_INTERPRET", "1")
        from benchmarks.speed_gpu import measure_gpu

        return measure_gpu(options.out, options.limit, options.dry)
    from benchmarks.speed_page import write_pages

    if options.what == "cpu":
        from benchmarks.speed_cpu import measure_cpu

        measure_cpu()
    if options.what == "encoders":
        from benchmarks.speed_cpu import measure_encoders

        measure_encoders()
    write_pages()


if __name__ == "__main__":
    main()
