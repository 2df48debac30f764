"""A pretrained ViT-S/14 in three forms, which must agree, merged and unmerged. Writes its part of results/dense.md.

    python -m benchmarks.recorded.dinov2 VIT DINOV2 --photos SKIMAGE_DATA --stamps TUXPAINT_STAMPS

VIT and DINOV2 are what `pretrained_vit` made. The forms are a ViTModel, a Dinov2Model and a Dinov2Backbone with the
same weights; in float64 they must give the same features, whatever is merged.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import Dinov2Backbone, Dinov2Model, ViTModel

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.recorded.dense_scenes import animal_scenes, photo_processor
from benchmarks.recorded.pretrained_vit import SIDE
from benchmarks.results import Results
from hf_tome import apply_tome, remove_tome, trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.families import widths_of

PAGE, RESULTS = ROOT / "docs/results/dense.md", ROOT / "docs/results/data/dinov2.json"
R, SCENES, BATCH, SHOWN = (0, 4, 8, 12, 16, 20), 24, 4, (8, 16)
APART = 1e-6  # of a feature's length: how far the forms may be from each other; the scales were folded in float32


def features(model: Any, pixels: Tensor, r: int) -> tuple[Tensor, list[int]]:
    """(images, tokens, channels) restored, of a backbone without the class token; and the tokens of each layer."""
    apply_tome(model, r=r)
    found = []
    with torch.inference_mode(), trace_tome(model) as trace:
        for batch in pixels.split(BATCH):
            output = model(pixel_values=batch)
            maps = output.feature_maps[-1].flatten(2).mT if isinstance(model, Dinov2Backbone) else output[0]
            found.append(maps)
    remove_tome(model)
    return torch.cat(found), trace.token_counts


def differ(forms: dict[str, Any], pixels: Tensor, r: int) -> float:
    """How far the features of the forms are from each other at most, against a feature's length, in float64."""
    pixels = pixels.double()
    vit, dinov2, backbone = (features(each.double(), pixels, r)[0] for each in forms.values())
    for each in forms.values():
        each.float()
    length = vit.norm(dim=-1).mean()
    apart = float(max((vit - dinov2).abs().max(), (vit[:, 1:] - backbone).abs().max()) / length)
    if apart > APART:
        raise SystemExit(f"The forms differ by {apart:.1e} at r = {r}.")
    return apart


def measured(forms: dict[str, Any], pixels: Tensor) -> list[dict[str, Any]]:
    """A row for each r."""
    dinov2 = forms["dinov2"]
    plain, _ = features(dinov2, pixels, 0)
    rows = []
    for r in R:
        found, counts = features(dinov2, pixels, r)
        cosine = cosine_similarity(found, plain, dim=-1)  # (images, tokens)
        rows.append(
            {
                "r": r,
                "counts": counts,
                "mac_ratio": mac_ratio(counts, *widths_of(dinov2)),
                "class_cosine": float(cosine[:, 0].mean()),
                "patch_cosine": float(cosine[:, 1:].mean()),
                "forms_differ": differ(forms, pixels[:BATCH], r),
            }
        )
        print(rows[-1])
    return rows


def page(found: dict[str, Any]) -> None:
    lines = [
        f"- r={row['r']}, {row['mac_ratio']:.2f}x fewer multiply-adds: cosine to the unmerged class token "
        f"{row['class_cosine']:.3f}, patches {row['patch_cosine']:.3f}"
        for row in found["rows"]
        if row["r"] in SHOWN
    ]
    apart = max(row["forms_differ"] for row in found["rows"])
    lines.append(f"- the three models differ by {apart:.0e} of a feature's length, merged or not")
    write_block(PAGE, "forms", "\n".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vit", type=Path)
    parser.add_argument("dinov2", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="scikit-image's folder skimage/data")
    parser.add_argument("--stamps", type=Path, required=True, help="Tux Paint's folder of stamps")
    args = parser.parse_args()
    forms = {
        "vit": ViTModel.from_pretrained(args.vit, add_pooling_layer=False).eval(),
        "dinov2": Dinov2Model.from_pretrained(args.dinov2).eval(),
        "backbone": Dinov2Backbone.from_pretrained(args.dinov2).eval(),
    }
    scenes = animal_scenes(args.stamps, args.photos, SIDE)[:SCENES]
    pixels = photo_processor(SIDE)([scene.image for scene in scenes], return_tensors="pt")["pixel_values"]
    results = Results(RESULTS)
    results.keep("forms", {"rows": measured(forms, pixels), "images": len(scenes), "machine": machine()})
    page(results.found["forms"])


if __name__ == "__main__":
    main()
