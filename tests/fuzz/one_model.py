"""One model for all examples of the fuzz: what a call may do to it, and that a failed one does nothing."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from cases import SMALL_VIT
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from hf_tome import ToMeConfig, ToMeError, apply_tome, remove_tome, trace_tome


@cache
def model() -> PreTrainedModel:
    """One model for all examples: after each of them it must be as new."""
    model = build()
    logits(model)  # transformers leaves marks on a model at its first forward
    return model


@cache
def plain_logits() -> Tensor:
    return logits(build())


def build() -> PreTrainedModel:
    """Two layers: every example looks at every attribute of every module."""
    return SMALL_VIT.build(num_hidden_layers=2)


@torch.no_grad()
def logits(of: PreTrainedModel) -> Tensor:
    return of(**inputs()).logits


@cache
def inputs() -> dict[str, Tensor]:
    return SMALL_VIT.inputs()


def flat(label: str, value: Any, depth: int = 2) -> list[tuple[str, Any]]:
    """A value and what it holds, two levels deep, each with the way to it."""
    parts = [(label, value)]
    if depth and isinstance(value, dict | OrderedDict):
        parts += [part for key in value for part in flat(f"{label}[{key!r}]", value[key], depth - 1)]
    if depth and isinstance(value, list | tuple):
        parts += [part for place, each in enumerate(value) for part in flat(f"{label}[{place}]", each, depth - 1)]
    return parts


def photograph(module: nn.Module) -> dict[str, Any]:
    """Every class, hook and attribute of every module and of its config: the very objects."""
    parts: list[tuple[str, Any]] = []
    for name, part in module.named_modules():
        parts.append((f"{name} class", type(part)))
        for attribute, value in vars(part).items():
            parts += flat(f"{name}.{attribute}", value)
        config = vars(part).get("config")
        for attribute, value in vars(config).items() if isinstance(config, PretrainedConfig) else ():
            parts += flat(f"{name}.config.{attribute}", value, depth=0 if attribute == "tome" else 2)
    return dict(parts)


def assert_unchanged(before: dict[str, Any], after: dict[str, Any]) -> None:
    """The same objects, not only equal ones. Equality is not asked of objects that may be broken."""
    assert list(before) == list(after)
    changed = [label for label in before if before[label] is not after[label]]
    assert not changed


def refused(call: Callable[[], Any]) -> bool:
    """Whether `call` raised a ToMeError, and that it says the rule, what it got, and the cure. Others pass through."""
    try:
        call()
    except ToMeError as error:
        told = str(error)
        assert re.fullmatch(r"(?s)\S.*[.:] Got: .+\. \S.*\.", told), told
        assert len(told) < 2000, told  # the longest names all families
        if not isinstance(error, ValueError | TypeError):
            raise AssertionError(f"{type(error)} is neither a ValueError nor a TypeError") from error
        return True
    return False


def check_apply(*args: Any, **kwargs: Any) -> None:
    """A call either fails and leaves no trace, or works: then the model runs, is saved, and can be made as new."""
    before = photograph(model())
    if not refused(lambda: apply_tome(model(), *args, **kwargs)):
        check_patched()
        remove_tome(model())
    assert_unchanged(before, photograph(model()))
    assert torch.equal(logits(model()), plain_logits())


def check_patched() -> None:
    """What was accepted also works."""
    with trace_tome(model()) as trace:
        assert logits(model()).isfinite().all()
    counts = trace.token_counts
    assert counts == sorted(counts, reverse=True)
    assert ToMeConfig.from_dict(json.loads(json.dumps(model().config.tome))).to_dict() == model().config.tome
