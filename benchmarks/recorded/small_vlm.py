"""How often a small vision-language model still answers right with fewer visual tokens. Writes results/vlm-answers.md.

    python -m benchmarks.recorded.small_vlm RUNS DINOV2 FASHION_MNIST

DINOV2 is what `pretrained_vit --family dinov2` made, FASHION_MNIST the folder with the authors' four files (Debian's
`dataset-fashion-mnist`). Scenes are encoded, a model is trained on them in some ten minutes, and both are kept in the
folder RUNS: a run that was stopped goes on. Then it answers, without further training, from fewer tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.pages import ROOT, machine, write_block
from benchmarks.recorded.small_vlm_model import (
    OFTEN,
    SIDES,
    answered,
    answered_with_sizes,
    around,
    encoded,
    tower,
    trained,
)
from benchmarks.recorded.small_vlm_picture import picture
from benchmarks.recorded.small_vlm_scenes import PLACES, Scene, pixels_of, scenes
from benchmarks.results import Results
from hf_tome import shorten
from hf_tome.core.macs import mac_ratio
from hf_tome.measure.row import Row
from hf_tome.measure.statistics import fill_metric, means
from hf_tome.measure.table import markdown

PAGE, RESULTS = ROOT / "docs/results/vlm-answers.md", ROOT / "docs/results/data/vlm-answers.json"
PICTURE = ROOT / "docs/images/vlm-groups.png"
TRAIN, TEST, SHOWN = 5000, 500, 4
WAYS = ("merge", "diverse", "question", "norm", "uniform", "random")
SMALLER = {0.5: 98, 0.25: 70}  # pixels of the side that give about as few tokens
TOWER_R = (4, 8)
KINDS = ("clothes", "number")


def right(answers: np.ndarray, expected: list[list[int]]) -> np.ndarray:
    """(scenes,) bool: whether all of the answer is right."""
    return np.array([list(got[: len(want)]) == want for got, want in zip(answers, expected, strict=True)])


def variants(model: Any, whole: Any, features: dict[str, Tensor], shown: list[Scene], kept: Results) -> list[str]:
    """Ask each scene for clothes and for the number, in every way; keep what was right. Returns the ways in order.

    Args:
        whole: the model with its tower in place, for the way that reads the attention there.
    """
    names = []

    def ask(name: str, tokens: int, x: Tensor, answer: Callable[[Tensor, list[list[int]]], np.ndarray]) -> None:
        names.append(name)
        if name in kept.found:
            return
        found: dict[str, Any] = {"tokens": tokens}
        for kind in KINDS:
            turns = [_turn(scene, kind, number) for number, scene in enumerate(shown)]
            answers = answer(x, [question for question, _ in turns])
            found[kind] = right(answers, [want for _, want in turns]).astype(int).tolist()
        kept.keep(name, found)
        print(f"{name}: " + ", ".join(f"{kind} {np.mean(found[kind]):.1%}" for kind in KINDS), flush=True)

    def by(model: Any = model, **settings: Any) -> Callable[[Tensor, list[list[int]]], np.ndarray]:
        return lambda x, asked: answered(model, x, asked, lambda inputs: shorten(model, inputs, **settings))

    full = features[f"{SIDES[0]}-0"]
    every = full.shape[1]
    ask("all tokens", every, full, by(keep=1.0))
    for keep, side in SMALLER.items():
        small = features[f"{side}-0"]
        ask(f"smaller image, {side} pixels", small.shape[1], small, by(keep=1.0))
        for method in WAYS:
            ask(f"{method}, keep={keep}", round(keep * every), full, by(keep=keep, method=method))
        seen = pixels_of(shown, SIDES[0])
        ask(f"attention, keep={keep}", round(keep * every), seen, by(whole, keep=keep, method="attention"))
        ask(
            f"merge with sizes, keep={keep}",
            round(keep * every),
            full,
            lambda x, asked, keep=keep: answered_with_sizes(model, x, asked, keep),
        )
    for r in TOWER_R:
        merged = features[f"{SIDES[0]}-{r}"]
        ask(f"tower r={r}", every, merged, by(keep=1.0))
        ask(f"tower r={r}, merge, keep=0.5", every // 2, merged, by(keep=0.5))
    return names


def _turn(scene: Scene, kind: str, number: int) -> tuple[list[int], list[int]]:
    """The question of a kind about a scene, with its answer: of the clothes, those in one quarter."""
    turns = scene.turns()
    if kind == "number":
        return turns[-1]
    dressed = [place for place in range(len(PLACES)) if scene.contents[place] not in ("number", "nothing")]
    return turns[dressed[number % len(dressed)]] if dressed else turns[number % len(PLACES)]


def page(found: dict[str, Any]) -> None:
    """Write the table: shares with 95 % intervals, changes on paired draws."""
    names = found["order"]
    columns = {}
    for kind in KINDS:
        values = np.array([found["answers"][name][kind] for name in names], dtype=float)
        rows = [Row(name=name) for name in names]
        fill_metric(rows, means(values), values.shape[1], against=names.index("all tokens"))
        columns[kind] = rows
    cells = []
    for place, name in enumerate(names):
        line = [name, str(found["answers"][name]["tokens"])]
        for kind in KINDS:
            row = columns[kind][place]
            (low, high), (less, more) = row.interval, row.change_interval  # pyright: ignore
            line += [f"{row.metric:.1%} ({100 * low:.0f} to {100 * high:.0f})"]
            line += [
                "" if name == "all tokens" else f"{100 * row.change:+.1f} ({100 * less:+.0f} to {100 * more:+.0f})"
            ]
        cells.append(line)
    header = ("way", "tokens", "names the clothes", "change", "reads the number", "change")
    ratios = ", ".join(f"r={r} in the tower {ratio:.2f}x" for r, ratio in found["mac_ratios"].items())
    about = (
        f"Exact answers to {found['scenes']} questions of each kind, in percent, with 95 % intervals by the bootstrap; "
        f"changes on paired draws. MAC ratio: {ratios}."
    )
    source = f"Measured by `benchmarks/recorded/small_vlm.py`. {found['machine']}"
    write_block(PAGE, "answers", f"{markdown(header, cells)}\n\n{about} {source}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder that keeps what is made")
    parser.add_argument("dinov2", type=Path)
    parser.add_argument("fashion", type=Path)
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    results, kept = Results(RESULTS), Results(args.runs / "answers.json")
    model, ratios = _model(args.runs, args.dinov2, args.fashion), {}
    shown = scenes(args.fashion, "t10k", TEST)
    features = {}
    dinov2 = tower(args.dinov2)
    for side, r in (*((side, 0) for side in SIDES), *((SIDES[0], r) for r in TOWER_R)):
        features[f"{side}-{r}"], counts = encoded(dinov2, shown, side, r)
        if r:
            ratios[str(r)] = mac_ratio(counts, dinov2.config.hidden_size, 4 * dinov2.config.hidden_size)
    order = variants(model, around(model, tower(args.dinov2, "eager")), features, shown, kept)
    picture(model, features[f"{SIDES[0]}-0"][:SHOWN], shown[:SHOWN]).save(PICTURE, optimize=True)
    place = {"scenes": TEST, "mac_ratios": ratios, "machine": machine()}
    results.keep("answers", {**place, "order": order, "answers": kept.found})
    page(results.found["answers"])


def _model(runs: Path, dinov2: Path, fashion: Path) -> Any:
    """The model, trained now or before."""
    file = runs / "features.safetensors"
    every, shown = scenes(fashion, "train", TRAIN), {}
    for side, share in zip(SIDES, OFTEN, strict=True):
        shown[side], every = every[: round(share * TRAIN)], every[round(share * TRAIN) :]
    if not file.exists():
        model = tower(dinov2)
        save_file({str(side): encoded(model, shown[side], side)[0] for side in SIDES}, file)
    return trained(runs / "llava.safetensors", shown, {int(side): x for side, x in load_file(file).items()})


if __name__ == "__main__":
    main()
