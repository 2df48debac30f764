"""Settings at equal multiply-adds on a pretrained ViT: chosen on one half of the photos, confirmed on the other.

    python -m benchmarks.recorded.quality MODEL choose --photos SKIMAGE_DATA --stamps TUXPAINT_STAMPS
        --wallpapers FOLDER [FOLDER ...]

MODEL is a folder with a ViTModel. `confirm` in place of `choose` runs the chosen settings on the other half, `objects`
on other images, and `page` only writes the page: docs/results/quality.md.
"""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from scipy.stats import wilcoxon
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import ViTConfig, ViTModel

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.recorded.dense_scenes import animal_scenes, photo_processor, scenes, squared
from benchmarks.recorded.quality_trials import TRIALS, register_trials
from benchmarks.results import Results
from hf_tome import apply_tome, remove_tome, trace_tome
from hf_tome.core.macs import encoder_macs, mac_ratio
from hf_tome.core.schedule import Schedule
from hf_tome.families import widths_of
from hf_tome.measure.table import markdown
from hf_tome.tune.space import Space

PAGE, RESULTS = ROOT / "docs/results/quality.md", ROOT / "docs/results/data/quality.json"
CHOOSE, CONFIRM = 2.0, (1.5, 2.0)  # MAC ratios
BATCH, NEIGHBOURS = 4, 5
CONCAT = {"heads": "concat", "restore": "residual"}
DEFAULT, CHOSEN = "default", "share"
WAYS: dict[str, tuple[str, dict[str, Any]]] = {  # the shape of the schedule, and settings of apply_tome
    DEFAULT: ("constant", {}),
    CHOSEN: ("share", CONCAT),
    "the same, `restore=True`": ("share", {"heads": "concat"}),
    "the same, constant": ("constant", CONCAT),
    "the same, decreasing": ("decreasing", CONCAT),
    'the same, `metric="q"`': ("share", {**CONCAT, "metric": "q"}),
    'the same, `partition="energy"`': ("share", {**CONCAT, "partition": "energy"}),
    'the same, `matching="greedy"`': ("share", {**CONCAT, "matching": "greedy"}),
    '`metric="x", partition="energy"`': ("share", {"metric": "x", "partition": "energy", "restore": "residual"}),
    **{f"the same, {each.__name__}": ("share", {**CONCAT, "matching": each.__name__}) for each in TRIALS},
}
PHOTOS, OBJECTS, TEXTURES = "photos", "objects on photos", "animals on textures"
OBJECT_STAMPS = ("food", "vehicles")
MEASURES = {"class_drift": "class token", "patch_drift": "patches", "lost": "neighbours lost"}


class Judge:
    """A model and photos: what settings do to its features."""

    def __init__(self, folder: Path, pixels: Tensor) -> None:
        self.model: Any = ViTModel.from_pretrained(folder, add_pooling_layer=False).eval()
        self.pixels = pixels
        self.plain, counts = self.features({"r": 0})
        self.space = Space(counts[0], len(counts) - 1, 1, *widths_of(self.model))

    def features(self, settings: dict[str, Any], about: str = "unmerged") -> tuple[Tensor, list[int]]:
        """(images, tokens, channels), restored; and the tokens of each layer."""
        eager = any(TRIALS[each] for each in TRIALS if each.__name__ == settings.get("matching"))
        self.model.set_attn_implementation("eager" if eager else "sdpa")
        apply_tome(self.model, **settings)
        with torch.inference_mode(), trace_tome(self.model) as trace:
            batches = track(self.pixels.split(BATCH), about)
            found = torch.cat([self.model(pixel_values=batch).last_hidden_state for batch in batches])
        remove_tome(self.model)
        return found, trace.token_counts

    def way(self, name: str, ratio: float) -> dict[str, Any]:
        """A setting at a MAC ratio: what it is, and each measure of each image."""
        shape, settings = WAYS[name]
        settings = {"r": self.r(shape, ratio), **settings}
        found, counts = self.features(settings, f"{ratio}x {name}")
        drift = 1 - cosine_similarity(found, self.plain, dim=-1)  # (images, tokens)
        return {
            "settings": settings,
            "counts": counts,
            "mac_ratio": mac_ratio(counts, self.space.hidden, self.space.intermediate),
            "class_drift": drift[:, 0].tolist(),
            "patch_drift": drift[:, 1:].mean(1).tolist(),
            "lost": lost_neighbours(found[:, 0], self.plain[:, 0]),
        }

    def r(self, shape: str, ratio: float) -> float | list[int]:
        """The schedule of a shape that reaches the ratio just so."""
        if shape == "share":
            return self.share(ratio)
        layers = range(self.space.layers)
        weights = [1.0 if shape == "constant" else float(self.space.layers - 1 - layer) for layer in layers]
        fitted = self.space.along(weights, int(self.space.macs(self.space.nothing) / ratio))
        assert fitted is not None
        return list(fitted)

    def share(self, ratio: float) -> float:
        """The smallest share of four digits that reaches the ratio."""
        most, space = self.space.macs(self.space.nothing) / ratio, self.space

        def reaches(share: float) -> bool:
            counts = Schedule("share", share).counts(space.tokens, space.layers, space.protected)
            return encoder_macs(counts, space.hidden, space.intermediate) <= most

        shares = [step / 10_000 for step in range(1, 5_000)]
        return shares[bisect_left(shares, True, key=reaches)]


def lost_neighbours(features: Tensor, plain: Tensor) -> list[float]:
    """Of the nearest other images of each image, by the unmerged class tokens, the share that merging loses."""
    near = [_nearest(each) for each in (plain, features)]
    return [1 - len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(*near, strict=True)]


def _nearest(features: Tensor) -> list[list[int]]:
    alike = cosine_similarity(features[:, None], features[None], dim=-1).fill_diagonal_(-2)
    return alike.topk(NEIGHBOURS).indices.tolist()


def p_value(one: Sequence[float], other: Sequence[float]) -> float:
    """Of the paired rank test (Wilcoxon, two-sided)."""
    if list(one) == list(other):
        return 1.0
    found: Any = wilcoxon(one, other)
    return float(found.pvalue)


def holm(values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979)."""
    order, found, most = np.argsort(values), [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        most = max(most, min(1.0, (len(values) - rank) * values[place]))
        found[place] = most
    return found


def photos(folders: Sequence[Path], side: int) -> list[Image.Image]:
    """The middle square of each JPEG in the folders, by name."""
    files = sorted((file for folder in folders for file in folder.glob("*.jpg")), key=lambda file: file.name)
    return [squared(file, side) for file in files]


def against(found: dict[str, Any], usual: dict[str, Any]) -> list[float]:
    """The mean of each measure as a multiple of the default's."""
    return [float(np.mean(found[key]) / np.mean(usual[key])) for key in MEASURES]


def page(found: dict[str, Any]) -> None:
    """What was confirmed, with its p-values; what it was chosen from is in the data."""
    cases = [(subject, ratio) for subject in (PHOTOS, OBJECTS, TEXTURES) for ratio in CONFIRM]
    pairs = {case: (ways[CHOSEN], ways[DEFAULT]) for case in cases for ways in [found["{} {}".format(*case)]]}
    values = [p_value(ours[key], usual[key]) for ours, usual in pairs.values() for key in MEASURES]
    sure = np.reshape(holm(values), (len(cases), len(MEASURES)))
    rows = [
        (
            f"{len(ours['lost'])} {subject}",
            f"{ratio:.1f}x",
            *(f"{each:.2f} ({p:.1g})" for each, p in zip(against(ours, usual), sure[number], strict=True)),
        )
        for number, ((subject, ratio), (ours, usual)) in enumerate(pairs.items())
    ]
    write_block(PAGE, "confirm", markdown(("images", "MAC ratio", *MEASURES.values()), rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("part", choices=["choose", "confirm", "objects", "page"])
    parser.add_argument("--photos", type=Path, help="scikit-image's folder skimage/data")
    parser.add_argument("--stamps", type=Path, help="Tux Paint's folder of stamps")
    parser.add_argument("--wallpapers", type=Path, nargs="+", help="folders with JPEGs")
    options = parser.parse_args()
    results = Results(RESULTS)
    if options.part != "page":
        measure(options, results)
    page(results.found)


def measure(options: argparse.Namespace, results: Results) -> None:
    """Keep what settings do on one part of the images."""
    register_trials()
    side = ViTConfig.from_pretrained(options.model).image_size
    results.keep("machine", machine())
    if options.part == "objects":
        grounds = photos(options.wallpapers, side * 3 // 2)  # of which a scene shows a part
        found = [scene.image for name in OBJECT_STAMPS for scene in scenes(options.stamps / name, grounds, side)]
        confirm(Judge(options.model, inputs(found, side)), {OBJECTS: slice(None)}, results)
        return
    seen = photos(options.wallpapers, side)
    pixels = inputs([*seen, *(scene.image for scene in animal_scenes(options.stamps, options.photos, side))], side)
    if options.part == "choose":
        judge = Judge(options.model, pixels[::2])
        results.keep("choose", {name: judge.way(name, CHOOSE) for name in WAYS})
        return
    first = len(seen) // 2
    confirm(Judge(options.model, pixels[1::2]), {PHOTOS: slice(first), TEXTURES: slice(first, None)}, results)


def confirm(judge: Judge, subjects: dict[str, slice], results: Results) -> None:
    """Keep the default and the chosen settings at each ratio, the images of each subject apart."""
    for ratio in CONFIRM:
        ways = {name: judge.way(name, ratio) for name in (DEFAULT, CHOSEN)}
        for subject, part in subjects.items():
            kept = {name: {**way, **{key: way[key][part] for key in MEASURES}} for name, way in ways.items()}
            results.keep(f"{subject} {ratio}", kept)


def inputs(images: list[Image.Image], side: int) -> Tensor:
    """(images, 3, side, side)."""
    return photo_processor(side)(images, return_tensors="pt")["pixel_values"]


if __name__ == "__main__":
    main()
