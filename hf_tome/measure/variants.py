"""The settings that are compared: each once, under a key that says all of it; and which to try on a new model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hf_tome.config import ToMeConfig
from hf_tome.data.classifier import Classifier
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.compare import token_costs

Variants = dict[str, ToMeConfig | None]  # by key; None is the unmerged model
UNMERGED = "unmerged"


def keyed(variants: Sequence[Any]) -> Variants:
    """The unmerged model, then each setting once: values of r, as `apply_tome` takes them, or `ToMeConfig`s.

    Raises:
        ToMeTypeError, ToMeValueError: if there is none, or one is wrong.
    """
    settings = {_key(each): each for each in map(_setting, variants)}
    if not settings:
        raise ToMeValueError(complaint("A sweep has at least one variant.", "none", "For example [8, 16]."))
    return {UNMERGED: None, **settings}


def place_of(variant: Any, variants: Variants) -> int:
    """The place of a variant, from 0 for the unmerged model, which None stands for.

    Raises:
        ToMeValueError: if it is none of them.
    """
    key = UNMERGED if variant is None else _key(_setting(variant))
    if key not in variants:
        rule = "against is one of the variants."
        raise ToMeValueError(complaint(rule, variant_name(_setting(variant)), "Add it to them, or leave it out."))
    return list(variants).index(key)


def variant_name(setting: ToMeConfig | None) -> str:
    """Its r, and what differs from the defaults."""
    if setting is None:
        return UNMERGED
    plain, words = ToMeConfig(r=setting.r).to_dict(), {True: "on", False: "off"}
    rest = {key: value for key, value in setting.to_dict().items() if value != plain.get(key)}
    changed = [f"{key}={words[value] if isinstance(value, bool) else value}" for key, value in rest.items()]
    return ", ".join([f"r={setting.r}", *changed])


def even_steps(classifier: Classifier, inputs: dict[str, Tensor], count: int = 5) -> list[int]:
    """`count` values of r for inputs of this size, in even steps: with one step more, about no token would be left."""
    counts = token_costs(classifier.model, None, inputs)["token_counts"]
    tokens, layers = counts[0], len(counts) - 1
    return sorted({max(1, step * tokens // ((count + 1) * layers)) for step in range(1, count + 1)})


def _setting(variant: Any) -> ToMeConfig:
    return variant if isinstance(variant, ToMeConfig) else ToMeConfig(r=variant)


def _key(setting: ToMeConfig) -> str:
    return json.dumps(setting.to_dict(), sort_keys=True)
