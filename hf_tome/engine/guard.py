"""The guard: does a block compute what a layer's own forward computes?

Both run on a copy of the layer in which each part is a stand-in, a function of all that it is given and another one for
each part. If the results are equal to the bit, both call the same parts in the same way, whatever the parts are: so
hooks, adapters and replaced parts count, and dropout is seen too. No weight is read, nothing is drawn at random, no
module is built or called, and what a user has put on the layer does not run.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Iterator
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
_agreed: set[tuple] = set()  # of `_cache_key`


def check(layer: nn.Module, kind: type[nn.Module], block: Block, attention: str, users: bool) -> None:
    """Refuse a block that does not compute what the layer's forward computes.

    Args:
        layer: a layer, patched or not.
        kind: its class before any patch.
        block: what is to run in place of `kind.forward`.
        attention: the part of the layer that attends, or holds what does.
        users: whether the block is the user's own. The package's are used in place of transformers' forwards alone.

    Raises:
        UnsupportedModelError: with the reason.
    """
    key = _cache_key(layer, kind, block)
    if key in _agreed:
        return
    if not users and (strange := next((f for f in _unwrapped(kind.forward) if not _from_transformers(f)), None)):
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
    own = "with a merge in it and pass it as apply_tome(model, r=..., block=function)"
    return f"Write the forward of {kind.__name__} {own}, or use the plain model."


def _difference(layer: nn.Module, kind: type[nn.Module], block: Block, attention: str) -> str:
    """Why the two are not the same; empty where they are."""
    compared = 0
    for returns in RETURNS:
        copy = _with_stand_ins(layer, kind, {attention: returns})
        frames: Any = getattr(layer, "num_frames", 1)  # X-CLIP takes so many samples for one clip
        x = _numbers((BATCH * frames, TOKENS, _channels(layer)), 0.1)
        args, kwargs = _probes(kind)
        try:
            expected = tree_leaves(kind.forward(copy, x, *args, **kwargs))
        except (TypeError, ValueError, AttributeError, RuntimeError, IndexError) as error:
            why = f"a forward that does not run on stand-ins for its parts ({type(error).__name__}: {error})"
            continue  # it wants another kind of result from its attention
        try:
            got = tree_leaves(block(copy, x, *args, merge=_nothing_merges, **kwargs))
        except (TypeError, ValueError, AttributeError, RuntimeError, IndexError) as error:
            return f"a block that fails on the same layer ({type(error).__name__}: {error})"
        if len(got) != len(expected) or not all(map(_same, got, expected)):
            return "another result"
        compared += 1
    return "" if compared else why  # pyright: ignore[reportPossiblyUnboundVariable]


def _nothing_merges(x: Tensor, attended: Tensor | None = None, norm: Any = None) -> Any:
    """A block's `merge` where nothing merges."""
    x = x if attended is None else x + attended
    return x if norm is None else (x, norm(x))


def _same(a: Any, b: Any) -> bool:
    return torch.equal(a, b) if isinstance(a, Tensor) and isinstance(b, Tensor) else a is b


def _with_stand_ins(layer: nn.Module, kind: type[nn.Module], returns: dict[str, Callable[[Tensor], Any]]) -> Any:
    """A layer in evaluation mode with the attributes of `layer`; its parts are functions, its weights are made up."""
    own = next((c for c in kind.__mro__ if c.__module__.startswith("transformers.")), kind)  # none of a user's class
    copy = object.__new__(own)
    vars(copy).update(vars(layer))
    parts = {
        name: None if part is None else _stand_in(name, returns.get(name, RETURNS[0]))
        for name, part in layer._modules.items()
    }
    tensors = {
        kept: {name: None if t is None else _numbers(tuple(t.shape), _code(name)) for name, t in each.items()}
        for kept, each in (("_parameters", layer._parameters), ("_buffers", layer._buffers))
    }
    vars(copy).update(tensors, _modules=parts, training=False)
    return copy


def _stand_in(name: str, returns: Callable[[Tensor], Any]) -> Callable[..., Any]:
    def part(*args: Any, **kwargs: Any) -> Any:
        given = {**dict(enumerate(args)), **kwargs}
        seen = [(_code(f"{name} {key} {n}"), t) for key, value in given.items() for n, t in enumerate(_tensors(value))]
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


def _probes(kind: type[nn.Module]) -> tuple[list[Tensor], dict[str, Tensor]]:
    """A number for each further argument of the layer, so that one which is not passed on shows."""
    parameters = list(inspect.signature(kind.forward).parameters.values())[2:]  # without self and x
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        named.append("probe")
    return [_numbers((1, 1, 1), _code(p.name)) for p in positional], {n: _numbers((1, 1, 1), _code(n)) for n in named}


def _unwrapped(forward: Any) -> Iterator[Any]:
    """A forward, and what is wrapped in it."""
    while forward is not None:
        yield forward
        forward = getattr(forward, "__wrapped__", None)


def _from_transformers(forward: Any) -> bool:
    """Whether a function's code is transformers'. `functools.wraps` copies the names, but not the globals."""
    return getattr(forward, "__globals__", {}).get("__name__", "").startswith("transformers.")


def _cache_key(layer: nn.Module, kind: type[nn.Module], block: Block) -> tuple:
    """Class, forward, block, and all of the layer that could send its forward another way."""
    simple = tuple((n, v) for n, v in vars(layer).items() if isinstance(v, bool | int | float | str | type(None)))
    parts = tuple((n, part is None) for n, part in layer._modules.items())
    weights = tuple((n, None if t is None else tuple(t.shape)) for n, t in layer._parameters.items())
    return kind, kind.forward, block, simple, parts, weights
