"""Whatever the public functions are given, only ToMeErrors come out, and a failed call leaves the model untouched."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from numbers import Integral
from typing import Any

import numpy as np
import pytest
import torch
from cases import SMALL_VIT
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from hf_tome import ToMeConfig, ToMeError, ToMeTypeError, UnsupportedModelError, apply_tome, remove_tome, trace_tome

quick = settings(deadline=None, derandomize=True, max_examples=40)


class Broken:
    """An object on which everything fails, with an error of its own."""

    def fail(self, *_: object) -> Any:
        raise ArithmeticError("this object is broken")

    __repr__ = __str__ = __index__ = __int__ = __float__ = __bool__ = __eq__ = __len__ = __iter__ = fail
    __hash__ = object.__hash__


class BrokenFloat(Broken, float):
    """The same, and a real number by its type."""


@Integral.register
class BrokenIntegral(Broken):
    """The same, and an integer by its type."""


class BrokenInt(int):
    """An int that cannot be shown, copied or converted."""

    def fail(self, *_: object) -> Any:
        raise ArithmeticError("this int is broken")

    __repr__ = __str__ = __int__ = __float__ = __deepcopy__ = __reduce_ex__ = fail


class MyInt(int):
    """An int as good as any."""


def endless() -> list[Any]:
    """A list that holds itself."""
    inside: list[Any] = [1]
    inside.append(inside)
    return inside


def deep() -> list[Any]:
    inside: list[Any] = []
    for _ in range(5000):
        inside = [inside]
    return inside


# made anew for each example: some are used up by the first look
NASTY: tuple[Callable[[], Any], ...] = (
    object, Broken, BrokenIntegral, str, endless, deep, dict, list, tuple, set, bytearray,
    lambda: int, lambda: Broken, lambda: len,
    lambda: NotImplemented, lambda: ..., lambda: True, lambda: False, lambda: BrokenFloat(0.5), lambda: BrokenInt(3),
    lambda: MyInt(2), lambda: MyInt(-2), lambda: 10**400, lambda: -(10**5000), lambda: 2**63, lambda: 2**63 - 1,
    lambda: float("nan"), lambda: float("inf"), lambda: 5e-324, lambda: 1 - 2**-53, lambda: 1j, lambda: "8",
    lambda: b"8", lambda: "\ud800", lambda: "x" * 10**5, lambda: Fraction(1, 3), lambda: Fraction(7, 2),
    lambda: Fraction(10**400, 3), lambda: Decimal("0.5"), lambda: Decimal("sNaN"), lambda: range(3),
    lambda: (r for r in (1, 2)), lambda: iter([2]), lambda: {1, 2}, lambda: {1: 2}, lambda: {None: None},
    lambda: {Broken(): 1}, lambda: {"r": Broken()}, lambda: {"r": 2, "inflection": -1}, lambda: {"r": 2, 3: 4},
    lambda: {"r": 10**400, "inflection": 0.5}, lambda: [2, True], lambda: [2, [1]], lambda: [2] * 10**5,
    lambda: [Broken()], lambda: [2, 10**400], lambda: (2, Broken()), lambda: (2, BrokenFloat(0.5)),
    lambda: (10**400, 0.5), lambda: (2**63 - 1, 0.5), lambda: (2, 10**400), lambda: (BrokenInt(3), 0.5),
    lambda: np.int64(2), lambda: np.uint8(2), lambda: np.int8(-2), lambda: np.float16(0.5), lambda: np.float64("nan"),
    lambda: np.bool_(True), lambda: np.array(2), lambda: np.array([2]), lambda: np.array([1, 2]), lambda: np.zeros(0),
    lambda: np.array([Broken()], dtype=object), lambda: np.timedelta64(3, "s"), lambda: np.datetime64("2020-01-01"),
    lambda: torch.tensor(2), lambda: torch.tensor([2]), lambda: torch.tensor([1, 2]), lambda: torch.tensor(True),
    lambda: torch.tensor(0.5), lambda: torch.zeros(0), lambda: torch.empty(3, device="meta"),
    lambda: nn.Linear(1, 1), lambda: ToMeConfig(2), lambda: ToMeConfig, lambda: torch.float32,
)  # fmt: skip

nasty = st.sampled_from(NASTY).map(lambda make: make())
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
anything = st.recursive(
    nasty | plain,
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)
good_r = st.integers(0, 40) | st.floats(0.01, 0.9) | st.tuples(st.integers(0, 20), st.floats(-1, 1))
any_r = anything | good_r | st.lists(st.integers(-1, 9), max_size=6)
names = st.sampled_from(["prop_attn", "restore", "r", "self", "cls", "values", "changes", "tome"]) | st.text(max_size=4)
json_like = st.dictionaries(names | st.integers() | nasty.filter(lambda key: is_hashable(key)), anything, max_size=3)


def is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except Exception:
        return False
    return True


@cache
def model() -> PreTrainedModel:
    """One model for all examples: after each of them it must be as new."""
    model = SMALL_VIT.build()
    logits(model)  # transformers leaves marks on a model at its first forward
    return model


@cache
def plain_logits() -> Tensor:
    return logits(SMALL_VIT.build())


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
        assert len(told) < 1000, told
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


PLACES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "r": lambda value: {"r": value},
    "first of a pair": lambda value: {"r": (value, 0.5)},
    "inflection": lambda value: {"r": (4, value)},
    "entry of a list": lambda value: {"r": [4, value]},
    "prop_attn": lambda value: {"r": 4, "prop_attn": value},
    "restore": lambda value: {"r": 4, "restore": value},
    "config": lambda value: {"config": value},
    "unknown setting": lambda value: {"r": 4, "self": value},
}


@pytest.mark.parametrize("place", PLACES)
def test_every_nasty_object_in_every_place(place: str) -> None:
    for make in NASTY:
        check_apply(**PLACES[place](make()))


def test_every_nasty_object_as_saved_settings() -> None:
    for make in NASTY:
        model().config.tome = saved = make()
        try:
            check_apply()
            check_apply(3)
            assert model().config.tome is saved
        finally:
            del model().config.tome


@pytest.mark.parametrize("name", ["self", "cls", "values", "changes", "tome", "", "no name", "\ud800"])
def test_an_unknown_setting_is_named(name: str) -> None:
    """Beside r, and on top of saved settings, which takes another way."""
    settings = {name: 1}
    with pytest.raises(ToMeTypeError, match=re.escape(repr(name))):
        apply_tome(model(), 4, **settings)
    model().config.tome = {"r": 4}
    try:
        with pytest.raises(ToMeTypeError, match=re.escape(repr(name))):
            apply_tome(model(), **settings)
    finally:
        del model().config.tome


def test_a_text_is_shown_in_quotes() -> None:
    """r="16" must not read as the int that it looks like."""
    for call in (lambda: apply_tome(model(), "16"), lambda: ToMeConfig(4, restore="16"), lambda: ToMeConfig(4, "16")):
        with pytest.raises(ToMeTypeError, match="Got: '16'\\."):
            call()


@quick
@given(any_r)
def test_any_r(r: Any) -> None:
    check_apply(r)


@quick
@given(any_r, st.dictionaries(names.filter(lambda name: name != "r"), anything, max_size=2))
def test_any_settings(r: Any, kwargs: dict[str, Any]) -> None:
    check_apply(r, **kwargs)


@quick
@given(anything, st.none() | any_r, st.dictionaries(names.filter(lambda name: name != "r"), anything, max_size=1))
def test_any_config(config: Any, r: Any, kwargs: dict[str, Any]) -> None:
    check_apply(r, config=config, **kwargs)


@quick
@given(any_r, st.dictionaries(names.filter(lambda name: name != "r"), anything, max_size=2))
def test_a_failed_call_leaves_a_patched_model_patched_as_it_was(r: Any, kwargs: dict[str, Any]) -> None:
    apply_tome(model(), 3)
    try:
        before, merged, saved = photograph(model()), logits(model()), dict(model().config.tome)
        if refused(lambda: apply_tome(model(), r, **kwargs)):
            assert_unchanged(before, photograph(model()))
            assert model().config.tome == saved
            assert torch.equal(logits(model()), merged)
        else:
            check_patched()
    finally:
        remove_tome(model())
    assert torch.equal(logits(model()), plain_logits())


@quick
@given(anything | json_like, st.dictionaries(names, anything, max_size=1))
def test_any_saved_settings(saved: Any, kwargs: dict[str, Any]) -> None:
    """`config.tome` comes from a file that anyone may have written. It is put back as it was, whatever it was."""
    model().config.tome = saved
    try:
        check_apply(**kwargs)
        assert model().config.tome is saved
        check_apply(3)
        assert model().config.tome is saved
    finally:
        del model().config.tome


@quick
@given(any_r, anything, anything)
def test_tome_config(r: Any, prop_attn: Any, restore: Any) -> None:
    made: list[ToMeConfig] = []
    if not refused(lambda: made.append(ToMeConfig(r, prop_attn, restore))):
        check_config(made[0])


@quick
@given(any_r, st.dictionaries(names, anything, max_size=2))
def test_tome_config_replace(r: Any, changes: dict[str, Any]) -> None:
    made: list[ToMeConfig] = []
    if not refused(lambda: made.append(ToMeConfig(4).replace(**{"r": r, **changes}))):
        check_config(made[0])


@quick
@given(anything | json_like | st.fixed_dictionaries({"r": any_r}, optional={"prop_attn": anything, "x": anything}))
def test_tome_config_from_dict(values: Any) -> None:
    made: list[ToMeConfig] = []
    if not refused(lambda: made.append(ToMeConfig.from_dict(values))):
        check_config(made[0])


def check_config(config: ToMeConfig) -> None:
    saved = json.loads(json.dumps(config.to_dict()))
    assert saved == config.to_dict()
    assert ToMeConfig.from_dict(saved).schedule == config.schedule


@quick
@given(anything | plain)
def test_what_is_no_model(thing: Any) -> None:
    assert refused(lambda: apply_tome(thing, 4))
    if isinstance(thing, nn.Module):
        assert remove_tome(thing) is thing
    else:
        assert refused(lambda: remove_tome(thing))
    assert refused(lambda: trace_tome(thing).__enter__())


@quick
@given(anything, any_r)
def test_modules_that_hold_no_tower(config: Any, r: Any) -> None:
    """Some other library's module may have a `config` too, of any kind."""
    module = nn.Sequential(nn.Linear(2, 2))
    module.config = config
    before = photograph(module)
    with pytest.raises(UnsupportedModelError):
        apply_tome(module, 4)
    assert refused(lambda: apply_tome(module, r))
    assert refused(lambda: apply_tome(module))
    assert refused(lambda: trace_tome(module).__enter__())
    assert remove_tome(module) is module
    assert_unchanged(before, photograph(module))
