"""The settings that are compared: as a command writes them, each once, under a key; and which to try on a new model."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hf_tome.config import ToMeConfig
from hf_tome.core import Schedule
from hf_tome.data.encoder import Encoder
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.families import tower_in
from hf_tome.measure.baselines import Baseline
from hf_tome.measure.compare import token_costs
from hf_tome.measure.row import UNMERGED

Variant = ToMeConfig | Baseline | None  # None is the unmerged model
Variants = dict[str, Variant]  # by key


def read_r(texts: Sequence[str]) -> list[Any]:
    """The runs that --r asks for, given once or several times, each as `apply_tome` takes it.

    Raises:
        ToMeTypeError, ToMeValueError: if there is none, or one is no r.
    """
    try:
        runs = [run for text in texts for run in ast.literal_eval(f"[{text}]")]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        runs = []
    if not runs:
        cure = "For example --r 8,16, --r 0.1, --r '(16, -1.0)' or --r '[12, 0, 7, 3]'."
        raise ToMeValueError(complaint("--r is written as in Python.", ",".join(texts), cure))
    for run in runs:
        Schedule.parse(run)
    return runs


def read_one_r(text: str) -> Any:
    """--r of a command that makes one run. Raises as `read_r`, and if there are several."""
    first, *others = read_r([text])
    if others:
        cure = f"Give one of them; one number for each layer is a list, --r '[{text}]'."
        raise ToMeValueError(complaint("This command makes one run.", f"--r {text}", cure))
    return first


def setting_of(variant: Any, saved: ToMeConfig | None = None) -> Any:
    """A variant in full: a value of r changes r alone in the settings that a model was saved with, if it was."""
    if isinstance(variant, ToMeConfig | Baseline):
        return variant
    return ToMeConfig(r=variant) if saved is None else saved.replace(r=variant)


def keyed(variants: Sequence[Any], saved: ToMeConfig | None = None) -> Variants:
    """The unmerged model, then each setting once: values of r, as in `apply_tome`, `ToMeConfig`s or `Baseline`s.

    Raises:
        ToMeTypeError, ToMeValueError: if there is none, or one is wrong.
    """
    settings = {_key(setting): setting for setting in (setting_of(each, saved) for each in variants)}
    if not settings:
        raise ToMeValueError(complaint("A sweep has at least one variant.", "none", "For example [8, 16]."))
    return {UNMERGED: None, **settings}


def place_of(variant: Any, variants: Variants, saved: ToMeConfig | None = None) -> int:
    """The place of a variant, from 0 for the unmerged model, which None stands for. Raises ToMeValueError if it is none
    of them."""
    setting = None if variant is None else setting_of(variant, saved)
    key = UNMERGED if setting is None else _key(setting)
    if key not in variants:
        rule = "against is one of the variants."
        raise ToMeValueError(complaint(rule, variant_name(setting), "Add it to them, or leave it out."))
    return list(variants).index(key)


def variant_name(setting: Variant, saved: ToMeConfig | None = None) -> str:
    """Its r, and what differs from the defaults; marked if it is what the model came with."""
    if setting is None:
        return UNMERGED
    if isinstance(setting, Baseline):
        return setting.name
    schedule, values = setting.schedule, setting.to_dict()
    plain, words = ToMeConfig(r=setting.r).to_dict(), {True: "on", False: "off"}
    rest = {key: value for key, value in values.items() if value != plain.get(key)}
    changed = [f"{key}={words[value] if isinstance(value, bool) else value}" for key, value in rest.items()]
    mark = ["as saved"] if saved is not None and values == saved.to_dict() else []
    return ", ".join([f"r={list(schedule.r) if schedule.kind == 'list' else schedule.r}", *changed, *mark])


def even_steps(encoder: Encoder, inputs: dict[str, Tensor], count: int = 5) -> list[int]:
    """`count` values of r for inputs of this size, in even steps: with one step more, about no token would be left."""
    counts = token_costs(encoder.model, None, inputs, encoder.output)["token_counts"]
    tokens, layers = counts[0] - tower_in(encoder.model)[1].protected_at_end, len(counts) - 1
    return sorted({max(1, step * tokens // ((count + 1) * layers)) for step in range(1, count + 1)})


def _key(setting: ToMeConfig | Baseline) -> str:
    return setting.name if isinstance(setting, Baseline) else json.dumps(setting.to_dict(), sort_keys=True)
