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
VERBS = {"clothes": "names", "number": "reads"}


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
    """Write the table: a line for each way, a column for each question and share of the tokens that is kept."""
    answers, plain = found["answers"], found["answers"]["all tokens"]
    columns = [(kind, keep) for kind in KINDS for keep in (1.0, *SMALLER)]
    cells = [
        [name, *(f"{np.mean(answers[by[keep]][kind]):.1%}" if keep in by else "" for kind, keep in columns)]
        for name, by in _lines().items()
        if set(by.values()) <= set(answers)
    ]
    header = ["tokens", *(f"{VERBS[kind]} {round(keep * plain['tokens'])}" for kind, keep in columns)]
    names = [name for name in found["order"] if name != "all tokens"]
    widest = max(_widest(np.array([answers[name][kind] for name in ("all tokens", *names)], float)) for kind in KINDS)
    ratios = ", ".join(f"{ratio:.2f}x with r={r}" for r, ratio in found["mac_ratios"].items())
    about = (
        f"Exact answers to {found['scenes']} questions of each kind. 95 % intervals of a line's difference from all "
        f"tokens (bootstrap, paired draws) reach {100 * widest:.0f} points to a side at most. MAC ratio of the tower: "
        f"{ratios}."
    )
    write_block(PAGE, "answers", f"{markdown(header, cells)}\n\n{about}")


def _lines() -> dict[str, dict[float, str]]:
    """The lines of the table: for each share that is kept, what was asked so."""
    ways = (*WAYS, "attention", "merge with sizes")
    return {
        "all tokens": {1.0: "all tokens"},
        "smaller image": {keep: f"smaller image, {side} pixels" for keep, side in SMALLER.items()},
        **{way: {keep: f"{way}, keep={keep}" for keep in SMALLER} for way in ways},
        **{f"tower r={r}, merge": {1.0: f"tower r={r}", 0.5: f"tower r={r}, merge, keep=0.5"} for r in TOWER_R},
    }


def _widest(right: np.ndarray) -> float:
    """How far the interval of a change from the first row reaches at most; (ways, scenes)."""
    rows = [Row(name=str(number)) for number in range(len(right))]
    fill_metric(rows, means(right), right.shape[1], against=0)
    return max(abs(end - (row.change or 0)) for row in rows[1:] for end in row.change_interval or ())


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
