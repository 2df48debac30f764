"""The settings that a sweep compares: each once, under a key that says all of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hf_tome.config import ToMeConfig
from hf_tome.errors import ToMeValueError, complaint

Variants = dict[str, ToMeConfig | None]  # by key; None is the unmerged model
UNMERGED = "unmerged"


def keyed(given: Sequence[Any]) -> Variants:
    """The unmerged model, then each setting once.

    Args:
        given: values of r, as `apply_tome` takes them, or `ToMeConfig`s.

    Raises:
        ToMeTypeError, ToMeValueError: if there is none, or one is wrong.
    """
    settings = [_setting(each) for each in given]
    if not settings:
        raise ToMeValueError(complaint("A sweep has at least one variant.", "none", "For example [8, 16]."))
    return {UNMERGED: None, **{_key(each): each for each in settings}}


def place_of(variant: Any, variants: Variants) -> int:
    """Which of the variants it is, counted from 0 for the unmerged model.

    Raises:
        ToMeValueError: if it is none of them.
    """
    setting = _setting(variant)
    if _key(setting) not in variants:
        rule = "against is one of the variants."
        raise ToMeValueError(complaint(rule, variant_name(setting), "Add it to them, or leave it out."))
    return list(variants).index(_key(setting))


def variant_name(setting: ToMeConfig) -> str:
    """Its r, and what differs from the defaults."""
    plain, words = ToMeConfig(r=setting.r).to_dict(), {True: "on", False: "off"}
    rest = {key: value for key, value in setting.to_dict().items() if value != plain.get(key)}
    changed = [f"{key}={words[value] if isinstance(value, bool) else value}" for key, value in rest.items()]
    return ", ".join([f"r={setting.r}", *changed])


def _setting(variant: Any) -> ToMeConfig:
    return variant if isinstance(variant, ToMeConfig) else ToMeConfig(r=variant)


def _key(setting: ToMeConfig) -> str:
    return json.dumps(setting.to_dict(), sort_keys=True)
