"""Dense features of a pretrained ViT with and without merging: parts, foreground, and how alike they are.

    python -m benchmarks.recorded.dense MODEL --photos SKIMAGE_DATA --stamps TUXPAINT_STAMPS

MODEL is a folder with a ViTModel, as `pretrained_vit` makes it. Writes docs/results/dense.md, its data, and
docs/images/dense.jpg.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from transformers import ViTModel

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.recorded.dense_scenes import animal_scenes, photo_processor, photos_to_look_at
from benchmarks.results import Results
from hf_tome import apply_tome, remove_tome, trace_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.measure.table import markdown
from hf_tome.show import sheet
from hf_tome.show.paint import coloured, palette

PAGE, RESULTS = ROOT / "docs/results/dense.md", ROOT / "docs/results/data/dense.json"
R = (8, 16, 24, 32, 40)
SHOWN = (None, 16, 32)
WAYS: dict[str, dict[str, Any]] = {  # settings of apply_tome
    "default": {},
    '`restore="residual"`': {"restore": "residual"},
    '`heads="concat"`': {"heads": "concat"},
    "both": {"restore": "residual", "heads": "concat"},
    "both, decreasing": {"restore": "residual", "heads": "concat", "falling": True},
}
WAYS_R = (24, 40)
PARTS = 8
BATCH = 4
CELL = 168  # pixels of a picture on the sheet
WAYS_HEADER = ("settings", "r", "MAC ratio", "cosine to unmerged", "relative error", "foreground IoU")
HEADER = (
    "r", "tokens left", "MAC ratio", "cosine to unmerged", "same part", "parts: adjusted Rand index",
    "foreground IoU", "IoU with the unmerged foreground",
)  # fmt: skip
SHOWN_COLUMNS = ("r", "MAC ratio", "cosine to unmerged", "same part", "foreground IoU")


@dataclass(frozen=True)
class Dense:
    """What a model gives for some images.

    Attributes:
        features: (images, patches, channels): the last hidden state of the patches.
        tokens: that are left after the last layer.
        mac_ratio: times fewer multiply-adds.
    """

    features: np.ndarray
    tokens: int
    mac_ratio: float


def dense(model: ViTModel, pixels: torch.Tensor, r: int | None, falling: bool = False, **settings: Any) -> Dense:
    """The features of each patch; each gets its merged token back, as `restore` says.

    Args:
        model: any ViT.
        pixels: (images, 3, side, side).
        r: tokens to merge in each layer; None for none.
        falling: from 2r in the first layer to 0 in the last.
        **settings: of `apply_tome`.
    """
    apply_tome(model, r=(r or 0, -1.0) if falling else r or 0, **settings)
    found = []
    with torch.inference_mode(), trace_tome(model) as trace:
        for batch in track(pixels.split(BATCH), f"r = {r or 0}"):
            found.append(model(pixel_values=batch).last_hidden_state[:, 1:])
    remove_tome(model)
    counts, config = trace.token_counts, model.config
    return Dense(torch.cat(found).numpy(), counts[-1], mac_ratio(counts, config.hidden_size, config.intermediate_size))


def check_unmerge(model: ViTModel, pixels: torch.Tensor, r: int) -> float:
    """How far `trace.unmerge` of the short sequence is from what `restore=True` gives."""
    with torch.inference_mode():
        restored = apply_tome(model, r=r)(pixel_values=pixels).last_hidden_state
        with trace_tome(apply_tome(model, r=r, restore=False)) as trace:
            short = model(pixel_values=pixels).last_hidden_state
    remove_tome(model)
    return float((trace.unmerge(short) - restored).abs().max())


def unit(features: np.ndarray) -> np.ndarray:
    """Each feature with length 1."""
    return features / np.linalg.norm(features, axis=-1, keepdims=True)


def flat(features: np.ndarray) -> np.ndarray:
    """(all patches, channels), each with length 1."""
    return unit(features).reshape(-1, features.shape[-1])


def parts_of(features: np.ndarray) -> KMeans:
    """The parts that patches of several images have in common: clusters of their features."""
    return KMeans(PARTS, n_init=4, random_state=0).fit(flat(features))


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Mean over images of intersection over union; bool (images, patches)."""
    return float(np.mean((one & other).sum(1) / np.maximum((one | other).sum(1), 1)))


def row(r: int | None, found: Dense, plain: Dense, parts: KMeans, probe: Any, truth: np.ndarray) -> tuple[str, ...]:
    """One line of the table, over the images that the probe has not seen."""
    before, after = (parts.predict(flat(each.features)).reshape(truth.shape) for each in (plain, found))
    alone, merged = (probe.predict(flat(each.features)).reshape(truth.shape) for each in (plain, found))
    cosine = (unit(plain.features) * unit(found.features)).sum(-1).mean()
    rand = np.mean([adjusted_rand_score(*pair) for pair in zip(before, after, strict=True)])
    return (
        "off" if r is None else str(r),
        str(found.tokens),
        f"{found.mac_ratio:.2f}x",
        f"{cosine:.3f}",
        f"{(before == after).mean():.1%}",
        f"{rand:.3f}",
        f"{overlap(merged, truth):.1%}",
        f"{overlap(merged, alone):.1%}",
    )


def way_row(name: str, r: int, found: Dense, plain: Dense, probe: Any, truth: np.ndarray) -> tuple[str, ...]:
    """One line of the table of settings."""
    cosine = (unit(plain.features) * unit(found.features)).sum(-1).mean()
    error = np.linalg.norm(found.features - plain.features) / np.linalg.norm(plain.features)
    merged = probe.predict(flat(found.features)).reshape(truth.shape)
    return name, str(r), f"{found.mac_ratio:.2f}x", f"{cosine:.3f}", f"{error:.3f}", f"{overlap(merged, truth):.1%}"


def picture(images: list[Image.Image], found: dict[int | None, Dense], parts: KMeans, probe: Any) -> Image.Image:
    """Each image with its parts and its foreground, without merging and with it."""
    rows = [("photo", [image.resize((CELL, CELL)) for image in images])]
    for name, colours in (("parts", partial(_parts, parts)), ("foreground", partial(_foreground, probe))):
        for r, each in found.items():
            side = int(each.features.shape[1] ** 0.5)
            maps = colours(each.features).reshape(len(images), side, side, 3)
            pictures = [Image.fromarray(one).resize((CELL, CELL), Image.Resampling.NEAREST) for one in maps]
            rows.append((f"{name}\nr = {r or 0}", pictures))
    return sheet(rows)


def _parts(parts: KMeans, features: np.ndarray) -> np.ndarray:
    return palette(PARTS)[parts.predict(flat(features))]


def _foreground(probe: Any, features: np.ndarray) -> np.ndarray:
    return coloured((255 * probe.predict_proba(flat(features))[:, 1]).round().astype(np.uint8))


def page(found: dict[str, Any]) -> None:
    """Write the table, with the columns that a reader needs."""
    places = [found["header"].index(name) for name in SHOWN_COLUMNS]
    table = markdown(SHOWN_COLUMNS, [[row[place] for place in places] for row in found["rows"]])
    write_block(PAGE, "dense", f"{table}\n\n{found['about']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--photos", type=Path, required=True, help="scikit-image's folder skimage/data")
    parser.add_argument("--stamps", type=Path, required=True, help="Tux Paint's folder of stamps")
    options = parser.parse_args()
    model = ViTModel.from_pretrained(options.model, add_pooling_layer=False).eval()
    side, patch = model.config.image_size, model.config.patch_size
    processor = photo_processor(side)
    scenes, photos = animal_scenes(options.stamps, options.photos, side), photos_to_look_at(options.photos, side)
    masks = np.stack([scene.mask for scene in scenes]).reshape(len(scenes), side // patch, patch, -1, patch)
    truth = masks.mean((2, 4)).reshape(len(scenes), -1) > 0.5  # of each patch: most of it is animal
    pixels = processor([scene.image for scene in scenes], return_tensors="pt")["pixel_values"]
    plain = dense(model, pixels, None)
    learn, test = slice(0, None, 2), slice(1, None, 2)
    probe = LogisticRegression(max_iter=1000).fit(flat(plain.features[learn]), truth[learn].ravel())
    parts = parts_of(plain.features[learn])
    unseen = Dense(plain.features[test], plain.tokens, plain.mac_ratio)
    found = {None: unseen, **{r: dense(model, pixels[test], r) for r in R}}
    rows = [row(r, each, unseen, parts, probe, truth[test]) for r, each in found.items()]
    difference = check_unmerge(model, pixels[:BATCH], 16)
    ways = [
        way_row(name, r, dense(model, pixels[test], r, **settings), unseen, probe, truth[test])
        for r in WAYS_R
        for name, settings in WAYS.items()
    ]
    about = f"Means over {len(truth[test])} photos of {side} x {side} pixels."
    kept = Results(RESULTS)
    kept.keep("dense", {"header": HEADER, "rows": rows, "about": about, "unmerge": difference, "machine": machine()})
    kept.keep("ways", {"header": WAYS_HEADER, "rows": ways})
    page(kept.found["dense"])
    seen = processor(photos, return_tensors="pt")["pixel_values"]
    looked = {r: dense(model, seen, r) for r in SHOWN}
    picture(photos, looked, parts_of(looked[None].features), probe).save(ROOT / "docs/images/dense.jpg", quality=88)


if __name__ == "__main__":
    main()
