"""Time and memory of one matching with its merge, as the number of tokens grows."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.pages import ROOT
from hf_tome.core import match_bipartite
from hf_tome.measure.costs import peak_memory

TOKENS = (1024, 2048, 4096, 8192, 12544, 18000, 25088)
FEATURES, CHANNELS, SHARE = 768, 64, 0.08  # of a base model; r as in VideoMAE-B with 130 of 1568 tokens


def measure_long(device: str) -> list[dict[str, Any]]:
    """For each count of tokens: seconds and bytes of deciding and doing one merge, and of the tokens themselves."""
    rows = []
    for tokens in TOKENS:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(1, tokens, FEATURES, generator=generator).to(device)
        metric, sizes = x[..., :CHANNELS].contiguous(), x.new_ones(1, tokens)

        def merge(x: torch.Tensor = x, metric: torch.Tensor = metric, sizes: torch.Tensor = sizes) -> None:
            plan = match_bipartite(metric, int(SHARE * x.shape[1]))
            assert plan is not None
            plan.merge(x, plan.share(sizes)[1])
            if x.is_cuda:
                torch.cuda.synchronize()

        merge()
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            merge()
            seconds.append(time.perf_counter() - start)
        row = {"tokens": tokens, "seconds": statistics.median(seconds), "tokens_bytes": x.nbytes}
        rows.append({**row, "bytes": peak_memory(merge, x.device), "scores_bytes": 4 * (tokens // 2) ** 2})
    return rows


def write_long(data: Path) -> None:
    """The plot, from the data of the CPU."""
    file = data / "speed-cpu.json"
    if not file.exists():
        return
    rows = json.loads(file.read_text())["long"]
    figure = Figure(figsize=(7.5, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    tokens = [row["tokens"] for row in rows]
    left.loglog(tokens, [1000 * row["seconds"] for row in rows], marker="o")
    left.set_ylabel("milliseconds")
    right.loglog(tokens, [row["bytes"] / 2**20 for row in rows], marker="o", label="held while merging")
    right.loglog(tokens, [row["tokens_bytes"] / 2**20 for row in rows], marker="s", label="the tokens themselves")
    right.loglog(tokens, [row["scores_bytes"] / 2**20 for row in rows], linestyle="--", label="all scores at once")
    right.set_ylabel("MiB")
    right.legend()
    for axes in (left, right):
        axes.set_xlabel("tokens")
        axes.set_xticks([1024, 4096, 12544, 25088], ["1,024", "4,096", "12,544", "25,088"])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.savefig(ROOT / "docs/images/long.png", dpi=120)
