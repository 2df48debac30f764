"""Paired speed-up of full-size models (random weights) on this machine's CPU: writes README and docs/results/cpu.md.

python benchmarks/cpu_speed.py [--rounds 12]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from pages import ROOT, machine, markdown, speed, write_block
from transformers import (
    ASTConfig,
    ASTForAudioClassification,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hf_tome.report.compare import compare

HEADER = ("model", "input", "r", "tokens", "batch", "speed-up", "MAC ratio (limit)", "speed-up / MAC ratio")


@dataclass(frozen=True)
class Case:
    """A model with one input shape and one r."""

    name: str
    model: Any
    config: Any
    shape: tuple[int, ...]
    batch: int
    r: int


SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
CASES = (
    Case("ViT-B/16", ViTForImageClassification, ViTConfig(), (3, 224, 224), 8, 16),
    Case("ViT-S/16", ViTForImageClassification, ViTConfig(**SMALL), (3, 224, 224), 1, 13),
    Case("VideoMAE-B", VideoMAEForVideoClassification, VideoMAEConfig(), (16, 3, 224, 224), 1, 130),
    Case("AST-B", ASTForAudioClassification, ASTConfig(), (1024, 128), 1, 96),
)


def inputs(case: Case, rounds: int) -> Iterator[tuple[dict[str, torch.Tensor], None]]:
    """The same random batch, `rounds` times."""
    generator = torch.Generator().manual_seed(0)
    batch = {case.model.main_input_name: torch.randn(case.batch, *case.shape, generator=generator)}
    return ((batch, None) for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    cells = []
    for case in CASES:
        torch.manual_seed(0)
        row = compare(case.model(case.config), inputs(case, rounds), [case.r])[1]
        tokens = f"{row.token_counts[0]} to {row.token_counts[-1]}"
        shape = "x".join(map(str, case.shape))
        score = f"{row.speedup / row.mac_ratio:.2f}"
        cells.append(
            (case.name, shape, str(case.r), tokens, str(case.batch), speed(row), f"{row.mac_ratio:.2f}x", score)
        )
        print(cells[-1], flush=True)
    source = f"Measured by `python benchmarks/cpu_speed.py --rounds {rounds}`, random weights. {machine()}"
    text = f"{markdown(HEADER, cells)}\n\n{source}"
    write_block(ROOT / "README.md", "cpu", text)
    write_block(ROOT / "docs/results/cpu.md", "cpu", text)


if __name__ == "__main__":
    main()
