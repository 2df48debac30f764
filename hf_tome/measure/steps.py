"""Which r to try on a model that nobody has tried."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from hf_tome.data.classifier import Classifier
from hf_tome.families import family_of


def even_steps(classifier: Classifier, inputs: dict[str, Tensor], count: int = 5) -> list[int]:
    """Values of r that divide what can be merged evenly: with the next one, about no token would be left.

    Args:
        classifier: of a supported family.
        inputs: some inputs of its model; their size decides.
        count: how many values.
    """
    tower, family = next((m, f) for m in classifier.model.modules() if (f := family_of(m)))
    config: Any = tower.config
    grid = family.grid(config).shape(next(iter(inputs.values())).shape)
    tokens = family.protected + math.prod(grid)
    layers = len(family.layers_of(tower))
    return sorted({max(1, step * tokens // ((count + 1) * layers)) for step in range(1, count + 1)})
