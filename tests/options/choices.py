"""The options that the tests of models walk, each different from the default in one or a few."""

from __future__ import annotations

from typing import Any

import pytest

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
each_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
