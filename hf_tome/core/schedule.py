"""How many tokens each layer merges (ToMe, section 4.1 and appendix D: constant and decreasing schedules)."""

from __future__ import annotations

import math
import operator
import sys
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

RULE = "r is an int >= 0, a float in (0, 1), a tuple (r, inflection), or a list with one int per layer."
Inflected = tuple[int, float]
R = int | float | Inflected | list[int]


def max_merge(tokens: int, protected: int) -> int:
    """The most tokens that one matching can remove: half of the mergeable ones, rounded down."""
    return max(0, (tokens - protected) // 2)


@dataclass(frozen=True)
class Schedule:
    """A checked value of `r`.

    Attributes:
        r: one of
            int: tokens merged in every layer;
            float in (0, 1): share of the layer's mergeable tokens;
            (int, inflection in [-1, 1]): linear over the layers, from r (1 - inflection) to r (1 + inflection), so
                that -1 falls from 2r to 0, 0 is constant and +1 rises from 0 to 2r;
            tuple of ints made from a list: per layer; layers beyond its end merge nothing.

    Raises:
        ToMeTypeError, ToMeValueError: by `parse`, if r is none of these.
    """

    kind: str
    r: Any

    @classmethod
    def parse(cls, r: Any) -> Schedule:
        """Check what the user wrote, or what `to_json` wrote."""
        if isinstance(r, Schedule):
            return r
        if isinstance(r, dict):
            if set(r) != {"r", "inflection"}:
                raise ToMeValueError(complaint(RULE, r, 'As JSON a pair reads {"r": 16, "inflection": -1.0}.'))
            return cls("inflected", _pair((r["r"], r["inflection"])))
        if isinstance(r, tuple):
            return cls("inflected", _pair(r))
        if isinstance(r, list):
            if not r:
                cure = "For example r=[8, 8]; r=0 merges nothing."
                raise ToMeValueError(complaint(RULE, "an empty list", cure))
            return cls("list", tuple(_count(entry, r) for entry in r))
        if (count := _as_int(r)) is not None:
            return cls("constant", _count(count, r))
        if (share := _as_float(r)) is not None:
            return cls("share", _share(share, r))
        raise ToMeTypeError(complaint(RULE, shown(r), "For example r=16, r=0.1, r=(16, -1.0) or r=[12, 0, 7, 3]."))

    @property
    def merges(self) -> bool:
        """Whether any layer merges."""
        if self.kind == "list":
            return any(self.r)
        return (self.r[0] if self.kind == "inflected" else self.r) > 0

    def check_layers(self, layers: int) -> None:
        """Refuse a list that is longer than the model is deep."""
        if self.kind == "list" and len(self.r) > layers:
            rule = f"A list r has at most one entry per layer; this model has {layers} layers."
            raise ToMeValueError(complaint(rule, f"{len(self.r)} entries", f"Shorten the list to {layers} entries."))

    def wanted(self, layer: int, layers: int, mergeable: int) -> int:
        """Tokens to merge in `layer` (0-based) of `layers`, where `mergeable` tokens could; before the cap."""
        if self.kind == "constant":
            return self.r
        if self.kind == "share":
            return int(self.r * mergeable)
        if self.kind == "list":
            return self.r[layer] if layer < len(self.r) else 0
        r, inflection = self.r
        if layers == 1:
            return r
        first = int(r * (1.0 - inflection))
        step = (2 * r - 2 * first) / (layers - 1)
        return int(first + step * layer)

    def capped(self, layer: int, layers: int, tokens: int, protected: int) -> int:
        """Tokens that `layer` merges: as many as wanted, but at most half of the mergeable ones."""
        return min(self.wanted(layer, layers, tokens - protected), max_merge(tokens, protected))

    def counts(self, tokens: int, layers: int, protected: int = 0) -> list[int]:
        """Tokens entering each layer and leaving the last one: layers + 1 numbers, as `trace.token_counts`."""
        counts = [tokens]
        for layer in range(layers):
            counts.append(counts[-1] - self.capped(layer, layers, counts[-1], protected))
        return counts

    def to_json(self) -> int | float | list[int] | dict[str, float]:
        """The plain JSON form, which `parse` takes back."""
        if self.kind == "list":
            return list(self.r)
        if self.kind == "inflected":
            return {"r": self.r[0], "inflection": self.r[1]}
        return self.r


def _as_int(value: Any) -> int | None:
    """An int for what Python counts with (int, numpy integers), else None. A bool is no count, an array neither."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        return None
    try:
        return operator.index(value)
    except Exception:  # __index__ of another library's type may raise anything
        return None


def _as_float(value: Any) -> float | None:
    """A float for a real number (float, int, Fraction, numpy floats), else None."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf  # out of every range that is asked for here
    except Exception:
        return None


def _count(value: Any, whole: Any) -> int:
    """A count of tokens. No more than any sequence is long, so that it can be multiplied and saved as JSON."""
    count = _as_int(value)
    if count is None or not 0 <= count <= sys.maxsize:
        cure = "Write ints >= 0; a pair of r and inflection is a tuple, as in r=(16, -1.0)."
        raise (ToMeTypeError if count is None else ToMeValueError)(complaint(RULE, whole, cure))
    return count


def _share(value: float, got: Any) -> float:
    if not 0 < value < 1:
        raise ToMeValueError(complaint(RULE, got, "For a share write 0 < r < 1; for a count write an int."))
    return value


def _pair(pair: tuple) -> Inflected:
    cure = "Write r=(16, -1.0) for a falling, r=(16, 1.0) for a rising schedule; a count per layer is a list."
    if len(pair) != 2:
        raise ToMeValueError(complaint(RULE, pair, cure))
    r, inflection = _count(pair[0], pair), _as_float(pair[1])
    if inflection is None:
        raise ToMeTypeError(complaint(RULE, pair, cure))
    if not -1 <= inflection <= 1:
        raise ToMeValueError(complaint(RULE + " The inflection lies in [-1, 1].", pair, cure))
    return r, inflection
