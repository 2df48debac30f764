"""The guard: does a block compute what a layer's own forward computes?

Both run on a copy of the layer in which a stand-in takes the place of each part: a function of all its arguments, and
a different one for each part. If the results are equal to the bit, both call the same parts with the same arguments,
whatever the parts are. So the check holds for adapters, replaced parts and dropout too. It reads no weight, draws no
random number, builds and calls no module, and runs no hook.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves

from hf_tome.errors import UnsupportedModelError, complaint
from hf_tome.families import Block

# What an attention may return: a tensor, or a tuple that begins with one. All other parts return tensors.
RETURNS: tuple[Callable[[Tensor], Any], ...] = (lambda y: y, lambda y: (y, None), lambda y: (y, None, None))
BATCH, TOKENS, CHANNELS = 5, 4, 8  # a batch of 5, so that unpacking a tensor as a tuple fails
FAILURES = TypeError, ValueError, AttributeError, RuntimeError, IndexError
_agreed: set[tuple] = set()  # cache keys of the comparisons that found no difference


def check(layer: nn.Module, kind: type[nn.Module], block: Block, attention: str, custom: bool) -> None:
    """Refuse a block that does not compute what the layer's forward computes.

    Args:
        layer: a layer, patched or not.
        kind: its class before any patch.
        block: what is to run in place of `kind.forward`.
        attention: the part of the layer that attends, or holds what does.
        custom: whether the block is the user's own. Those of the package replace only forwards of transformers' own.

    Raises:
        UnsupportedModelError: with the reason.
    """
    key = _cache_key(layer, kind, block)
    if key in _agreed:
        return
    if not custom and (strange := next((f for f in _unwrapped(kind.forward) if not _from_transformers(f)), None)):
        rule = f"{block.__name__} stands in place of a forward of transformers' own."
        got = f"{kind.__name__}.forward from {strange.__module__}, or wrapped there"
        raise UnsupportedModelError(complaint(rule, got, _cure(kind)))
    with torch.no_grad(), _disable_current_modes(), torch.device("cpu"):
        reason = _difference(layer, kind, block, attention)
    if reason:
        rule = f"{block.__name__} must compute what {kind.__name__}.forward computes."
        raise UnsupportedModelError(complaint(rule, reason, _cure(kind)))
    _agreed.add(key)


def _cure(kind: type[nn.Module]) -> str:
    how = "with a merge in it and pass it as apply_tome(model, r=..., block=function)"
    return f"Write the forward of {kind.__name__} {how}, or use the plain model."


def _difference(layer: nn.Module, kind: type[nn.Module], block: Block, attention: str) -> str:
    """Why the two are not the same; empty where they are."""
    compared, why, probes = 0, "", _probes(kind)
    for returns in RETURNS:
        copy = _with_stand_ins(layer, kind, attention, returns)
        clips: Any = getattr(layer, "num_frames", 1)  # X-CLIP views a batch as clips of so many frames
        x = _numbers((BATCH * clips, TOKENS, _channels(layer)), 0.1)
        try:
            expected = tree_leaves(kind.forward(copy, x, **probes))
        except FAILURES as error:
            why = f"a forward that does not run on stand-ins for its parts ({type(error).__name__}: {error})"
            continue  # it wants another kind of result from its attention
        try:
            got = tree_leaves(block(copy, x, merge=_nothing_merges, **probes))
        except FAILURES as error:
            return f"a block that fails on the same layer ({type(error).__name__}: {error})"
        if len(got) != len(expected) or not all(map(_same, got, expected)):
            return "another result"
        compared += 1
    return "" if compared else why


def _nothing_merges(x: Tensor, attended: Tensor | None = None, norm: Any = None) -> Any:
    """A block's `merge` where nothing merges."""
    x = x if attended is None else x + attended
    return x if norm is None else (x, norm(x))


def _same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b


def _with_stand_ins(layer: nn.Module, kind: type[nn.Module], attention: str, returns: Callable[[Tensor], Any]) -> Any:
    """A layer in evaluation mode with the attributes of `layer`; its parts are functions, its weights are made up."""
    own = next((c for c in kind.__mro__ if c.__module__.startswith("transformers.")), kind)  # none of a user's class
    copy = object.__new__(own)
    vars(copy).update(vars(layer))
    parts = {name: None if part is None else _stand_in(name) for name, part in layer._modules.items()}
    arguments = list(inspect.signature(type(layer.get_submodule(attention)).forward).parameters)[1:]  # without self
    parts[attention] = _stand_in(attention, arguments, returns)
    tensors = {
        kept: {name: None if t is None else _numbers(tuple(t.shape), _code(name)) for name, t in each.items()}
        for kept, each in (("_parameters", layer._parameters), ("_buffers", layer._buffers))
    }
    vars(copy).update(tensors, _modules=parts, training=False)
    return copy


def _stand_in(name: str, arguments: Sequence[str] = (), returns: Callable[[Tensor], Any] = RETURNS[0]) -> Any:
    """A function of all that it gets, in place of the part of that name.

    Args:
        name: makes it another function than those of other parts.
        arguments: names of its arguments, for what it gets by position: transformers passes the same mask either way.
        returns: from a tensor to what the part returns.
    """

    def part(*args: Any, **kwargs: Any) -> Any:
        places = dict(enumerate(arguments))
        given = {**{places.get(i, i): value for i, value in enumerate(args)}, **kwargs}
        if len(given) < len(args) + len(kwargs):
            raise TypeError(f"{name} gets an argument twice")
        seen = [(_code(f"{name} {key} {n}"), t) for key, value in given.items() for n, t in enumerate(_tensors(value))]
        seen.sort(key=lambda pair: pair[0])  # a sum is the same to the bit in one order alone
        return returns(sum((torch.sin((1 + code) * t + code) for code, t in seen), torch.zeros(())))

    return part


def _tensors(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _code(name: str) -> float:
    """A number in [0, 1) for a name."""
    return zlib.crc32(name.encode()) / 2**32


def _numbers(shape: tuple[int, ...], start: float) -> Tensor:
    return torch.sin(start + torch.arange(math.prod(shape), dtype=torch.float32)).view(shape)


def _channels(layer: nn.Module) -> int:
    """The width that the layer's own weights, such as a scale on a residual, ask for."""
    return next((t.shape[-1] for t in layer._parameters.values() if t is not None and t.ndim), CHANNELS)


def _probes(kind: type[nn.Module]) -> dict[str, Tensor]:
    """A number for each argument of the layer after its tokens, so that one which is not passed on shows."""
    named = []
    for parameter in list(inspect.signature(kind.forward).parameters.values())[2:]:  # without self and the tokens
        if parameter.kind is parameter.VAR_KEYWORD:
            named.append("probe")
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            named.append(parameter.name)
    return {name: _numbers((1, 1, 1), _code(name)) for name in named}


def _unwrapped(forward: Any) -> Iterator[Any]:
    """A forward, and what is wrapped in it."""
    while forward is not None:
        yield forward
        forward = getattr(forward, "__wrapped__", None)


def _from_transformers(forward: Any) -> bool:
    """Whether a function was written in transformers. `functools.wraps` copies its name and module, not its globals."""
    return getattr(forward, "__globals__", {}).get("__name__", "").startswith("transformers.")


def _cache_key(layer: nn.Module, kind: type[nn.Module], block: Block) -> tuple:
    """Class, forward, block, and all that a forward may branch on: plain attributes, and which parts it has."""
    simple = tuple((n, v) for n, v in vars(layer).items() if isinstance(v, bool | int | float | str | type(None)))
    parts = tuple((n, part is None) for n, part in layer._modules.items())
    weights = tuple((n, None if t is None else tuple(t.shape)) for n, t in layer._parameters.items())
    return kind, kind.forward, block, simple, parts, weights
