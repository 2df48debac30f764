"""The options that the tests of models walk, each different from the default in one or a few."""

from __future__ import annotations

from typing import Any

import pytest
from cases import BARE, SMALL_VIDEO, SMALL_VIT, Case

from hf_tome.core.options.matchings import MATCHINGS

OPTIONS: list[dict[str, Any]] = [
    *({"metric": metric} for metric in ("q", "v", "x", "x_pre")),
    *({"distance": distance} for distance in ("euclidean", "dot", "softmax")),
    {"heads": "concat"},
    {"heads": "concat", "metric": "v", "distance": "euclidean"},
    *({"combine": combine} for combine in ("mean", "max", "keep", "mlerp")),
    *({"partition": partition} for partition in ("sequential", "random", "energy")),
    {"partition": "random", "seed": 5},
    *({"matching": matching} for matching in MATCHINGS if matching != "bipartite"),
    {"matching": "random_prune", "combine": "weighted_mean", "prop_attn": True},
    {"matching": "pitome", "metric": "x", "combine": "mlerp"},
]
# a VideoMAE has its projections elsewhere, and no class token whose attention ranks the others
READS_THE_LAYER = [each for each in OPTIONS if {"metric", "matching"} & each.keys()]
# a DeiT has a distillation token beside its class token
READS_ATTENTION = [{"matching": matching} for matching in ("attention_prune", "pagerank_prune", "evit")]
BARE_VIT, BARE_DEIT, BARE_VIDEO, _ = BARE


def name_of(value: Case | dict[str, Any]) -> str:
    return value.name if isinstance(value, Case) else "-".join(map(str, value.values()))


each_option = pytest.mark.parametrize("options", OPTIONS, ids=name_of)
each_option_in_a_layer = pytest.mark.parametrize(
    ("case", "options"),
    [
        *((BARE_VIT, options) for options in OPTIONS),
        *((BARE_VIDEO, options) for options in READS_THE_LAYER),
        *((BARE_DEIT, options) for options in READS_ATTENTION),
    ],
    ids=name_of,
)
each_option_in_a_model = pytest.mark.parametrize(
    ("case", "options"),
    [*((SMALL_VIT, options) for options in OPTIONS), *((SMALL_VIDEO, options) for options in READS_THE_LAYER)],
    ids=name_of,
)
