"""Single patches or whole 2 x 2 cells as what merges, on a pretrained DINOv2. Writes a table of results/dense.md.

    python -m benchmarks.recorded.cells DINOV2 --photos SKIMAGE_DATA

Qwen-VL and its kin put the 4 patches of a cell into one token behind their vision tower. Cells merge here by the mean
of their keys, each patch into the one at its place.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize
from transformers import Dinov2Model

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.recorded.dense_scenes import photo_processor, photos_to_look_at
from benchmarks.recorded.pretrained_vit import SIDE
from benchmarks.results import Results
from hf_tome import merged, register_matching
from hf_tome.core import MergePlan
from hf_tome.core.options.candidates import Candidates

PAGE, RESULTS = ROOT / "docs/results/dense.md", ROOT / "docs/results/data/cells.json"
R, SHOWN, ROWS = (4, 8, 12, 16), 16, SIDE // 14
CELLS = 1 + torch.arange(ROWS**2).view(ROWS // 2, 2, ROWS // 2, 2).transpose(1, 2).flatten()  # patches, cell by cell
WAYS = {"bipartite": "patches merge", "cells": "cells merge"}  # the matching, and what it does


def merge_cells(candidates: Candidates) -> MergePlan:
    """Bipartite matching of cells. The first merge puts the 4 patches of each behind each other."""
    batch, tokens, _ = candidates.metric.shape
    order = CELLS if tokens == 1 + ROWS**2 else torch.arange(1, tokens)
    means = normalize(candidates.metric[:, order].unflatten(1, (-1, 4)).mean(dim=2), dim=-1)
    best, partner = (means[:, ::2] @ means[:, 1::2].mT).max(dim=-1)
    first = best.argsort(dim=1, descending=True, stable=True)[:, : candidates.r // 4]
    plan = MergePlan.joining(2 * first, 2 * partner.gather(1, first) + 1, means.shape[1])
    class_token = torch.zeros(batch, 1, dtype=torch.int64)

    def patches(cells: Tensor) -> Tensor:
        return (4 * cells[..., None] + torch.arange(4)).flatten(1)

    leaders = torch.cat([class_token, order[patches(plan.leaders)]], dim=1)
    return MergePlan(leaders, order[patches(plan.joiners)], 1 + patches(plan.targets))


@torch.inference_mode()
def drift(model: Any, pixels: Tensor, r: int, matching: str) -> float:
    """Mean cosine between the cells of the merged and the unmerged model, each its 4 patches side by side."""
    with merged(model, r, matching=matching):
        found = model(pixels).last_hidden_state
    plain = model(pixels).last_hidden_state
    return float(
        cosine_similarity(*(each[:, CELLS].unflatten(1, (-1, 4)).flatten(2) for each in (found, plain)), -1).mean()
    )


def page(found: dict[str, Any]) -> None:
    """Write the two lines."""
    row = next(row for row in found["rows"] if row["r"] == SHOWN)
    told = (f"- {way}: cosine to the unmerged cells {row[name]:.3f}" for name, way in WAYS.items())
    write_block(PAGE, "cells", "\n".join([*told, "", f"r={SHOWN}, {found['images']} photos."]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dinov2", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="scikit-image's folder skimage/data")
    args = parser.parse_args()
    register_matching("cells", merge_cells)
    model = Dinov2Model.from_pretrained(args.dinov2).eval()
    pixels = photo_processor(SIDE)(photos_to_look_at(args.photos, SIDE), return_tensors="pt")["pixel_values"]
    rows = [{"r": r, **{way: drift(model, pixels, r, way) for way in WAYS}} for r in R]
    results = Results(RESULTS)
    results.keep("cells", {"rows": rows, "images": len(pixels), "machine": machine()})
    page(results.found["cells"])


if __name__ == "__main__":
    main()
