"""What is compared, as data: the choices of one option at equal multiply-adds, with the papers' own figures.

The figures are top-1 on ImageNet-1k, off the shelf. Those of ToMe (arXiv 2210.09461), tables 1 and 2, are of a ViT-L
trained as a masked autoencoder, r=8, 85.96 unmerged; those of PiToMe (arXiv 2405.16148), table 5, of such a model at
half the multiply-adds, 85.7 unmerged.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hf_tome.config import ToMeConfig
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.tune.space import Space

RANDOM_SCHEDULES = 4


@dataclass(frozen=True)
class Choice:
    """One row.

    Attributes:
        name: for people.
        setting: what is run.
        paper: the accuracy that a paper gives for it, in percent; None where none does.
    """

    name: str
    setting: ToMeConfig
    paper: float | None = None


@dataclass(frozen=True)
class Table:
    """Choices of which each has the same multiply-adds, up to the rounding of a schedule.

    Attributes:
        name: a word.
        title: what is compared.
        source: where the papers' figures are from; "" where there are none.
        choices: the rows, the package's default among them.
    """

    name: str
    title: str
    source: str
    choices: tuple[Choice, ...]


Row = tuple[str, float | None, dict[str, Any]]  # name, the paper's figure, settings beside r
Told = tuple[str, str, tuple[Row, ...]]  # title, source, rows

OPTIONS: dict[str, Told] = {
    "metric": ("What tokens are compared by", "ToMe, table 1a", (
        ("k: keys", 84.25, {}),
        ("q: queries", 84.04, {"metric": "q"}),
        ("v: values", 83.80, {"metric": "v"}),
        ("x: tokens after the attention", 83.70, {"metric": "x"}),
        ("x_pre: tokens before it", 83.02, {"metric": "x_pre"}),
    )),
    "distance": ("How similar two tokens are", "ToMe, table 1b", (
        ("euclidean", 84.26, {"distance": "euclidean"}),
        ("cosine", 84.25, {}),
        ("dot", 82.78, {"distance": "dot"}),
        ("softmax", 82.00, {"distance": "softmax"}),
    )),
    "heads": ("What becomes of the heads", "ToMe, table 1c", (
        ("concat", 84.32, {"heads": "concat"}),
        ("mean", 84.25, {}),
    )),
    "combine": ("What a group becomes", "ToMe, table 1d", (
        ("weighted_mean", 84.25, {}),
        ("mean", 83.57, {"combine": "mean"}),
        ("max", 83.50, {"combine": "max"}),
        ("keep: one of them", 81.01, {"combine": "keep"}),
    )),
    "partition": ("Sources and destinations", "ToMe, table 1e", (
        ("alternating", 84.25, {}),
        ("random", 83.80, {"partition": "random"}),
        ("sequential", 81.07, {"partition": "sequential"}),
        ("energy: by turns in its order", None, {"partition": "energy"}),
    )),
    "matching": ("Which tokens go, and how", "ToMe, table 2", (
        ("greedy", 84.36, {"matching": "greedy"}),
        ("bipartite", 84.25, {}),
        ("kth: every 4th a destination", None, {"matching": "kth"}),
        ("kmeans: 5 iterations", 80.29, {"matching": "kmeans"}),
        ("attention_prune", 79.48, {"matching": "attention_prune"}),
        ("random_prune", 79.22, {"matching": "random_prune"}),
    )),
}  # fmt: skip
NAMES = ("metric", "distance", "heads", "combine", "partition", "prop_attn", "matching", "schedule", "method")

READ_ATTENTION = ("matching", "method")  # those with a choice that takes eager attention


def tables(space: Space, r: int, supervised: bool, only: Sequence[str] = NAMES) -> list[Table]:
    """The tables for one model.

    Args:
        space: the schedules of the model for its inputs.
        r: tokens that each layer merges; the schedules are fitted to the multiply-adds of that.
        supervised: whether the model's family has proportional attention by default: then the paper's figures for that
            are those of a supervised model (AugReg), else those of a masked autoencoder.
        only: the names of the tables that are wanted.

    Raises:
        ToMeValueError: if there is no such table.
    """
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise ToMeValueError(
            complaint(f"A table is one of {', '.join(NAMES)}.", ", ".join(unknown), "Or leave it out.")
        )
    known: dict[str, Told] = OPTIONS | {
        "prop_attn": _prop_attn(supervised),
        "schedule": ("How many tokens go in which layer", "", _schedules(space, r)),
        "method": ("Methods", "PiToMe, table 5", _methods(space.layers)),
    }
    found = []
    for name in NAMES:
        title, source, rows = known[name]
        choices = [Choice(row, ToMeConfig.from_dict({"r": r, **options}), paper) for row, paper, options in rows]
        found.append(Table(name, title, source, tuple(choices)))
    return [table for table in found if table.name in only]


def _prop_attn(supervised: bool) -> Told:
    if supervised:
        return (
            "Proportional attention",
            "ToMe, table 1f, AugReg",
            (("on", 83.51, {}), ("off", 82.15, {"prop_attn": False})),
        )
    return "Proportional attention", "ToMe, table 1f, MAE", (("off", 84.25, {}), ("on", 83.84, {"prop_attn": True}))


def _methods(layers: int) -> tuple[Row, ...]:
    tofu = ["keep"] * (layers // 2) + ["mlerp"] * (layers - layers // 2)
    return (
        ("PiToMe", 84.6, {"matching": "pitome", "heads": "concat"}),
        ("PiToMe, heads averaged", None, {"matching": "pitome"}),
        ("PiToMe in the second half", None, {"matching": "pitome_late"}),
        ("ToMe by x, energy partition", None, {"metric": "x", "partition": "energy"}),
        ("ToFu: keep, then mlerp", 83.8, {"combine": tofu}),
        ("mlerp in every layer", None, {"combine": "mlerp"}),
        ("ToMe", 82.9, {}),
        ("after EViT", None, {"matching": "evit"}),
        ("after Zero-TPrune", None, {"matching": "pagerank_prune"}),
    )


def _schedules(space: Space, r: int) -> tuple[Row, ...]:
    """Schedules with the multiply-adds of a constant r, or just fewer. Shapes that cannot save so much are left out."""
    layers = range(space.layers)
    half = space.layers / 2
    shapes: dict[str, list[float]] = {
        "decreasing": [float(space.layers - 1 - layer) for layer in layers],
        "increasing": [float(layer) for layer in layers],
        "first half": [float(layer < half) for layer in layers],
        "second half": [float(layer >= half) for layer in layers],
    }
    chance = random.Random(0)  # exponential weights: every way to share out the tokens is as likely as any other
    for number in range(1, RANDOM_SCHEDULES + 1):
        shapes[f"random {number}"] = [chance.expovariate(1) for _ in layers]
    macs = space.macs([r] * space.layers)
    fitted = {name: space.along(shape, macs) for name, shape in shapes.items() if any(shape)}
    return ("constant", None, {}), *((name, None, {"r": list(each)}) for name, each in fitted.items() if each)
