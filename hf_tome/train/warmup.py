"""r over the steps of a training: from a small start, linearly, to the r that the model keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hf_tome.core.schedule import Schedule
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

STEPS = "warmup is a number of steps (int >= 0) or a share of all steps (float in [0, 1])."
START = "r_start is an int >= 0, or a float in (0, 1) where r is one too."


@dataclass(frozen=True)
class WarmUp:
    """A linear way from `start` to r.

    Attributes:
        length: steps that it takes (int), or the share of all steps of the training (float). 0: r from the beginning.
        start: r at step 0, in every layer. A float stands for a share of the mergeable tokens, as in `apply_tome`.

    Raises:
        ToMeTypeError, ToMeValueError: if one of them is not as said here.
    """

    length: int | float = 0
    start: int | float = 0

    def __post_init__(self) -> None:
        if isinstance(self.length, bool) or not isinstance(self.length, int | float):
            raise ToMeTypeError(complaint(STEPS, shown(self.length), "For example warmup=500 or warmup=0.2."))
        if not self.length >= 0 or (isinstance(self.length, float) and not self.length <= 1):
            raise ToMeValueError(complaint(STEPS, shown(self.length), "For example warmup=500 or warmup=0.2."))
        if Schedule.parse(self.start).kind not in ("constant", "share"):
            raise ToMeValueError(complaint(START, shown(self.start), "For example r_start=0."))

    def check(self, r: Any) -> None:
        """Refuse a wrong `r`, and one that the start does not lead to.

        Raises:
            ToMeTypeError, ToMeValueError: if r is none, or the start is a share and r is not.
        """
        if Schedule.parse(r).kind != "share" and isinstance(self.start, float):
            cure = "Write an int for r_start, or a share for r."
            raise ToMeValueError(complaint(START, f"r_start={self.start} and r={shown(r)}", cure))

    def at(self, step: int, steps: int, r: Any) -> Any:
        """What stands for `r` in step `step` (from 0) of a training of `steps` steps."""
        length = self.length * steps if isinstance(self.length, float) else self.length
        share = step / length if step < length else 1.0
        if share >= 1.0:
            return r
        end = Schedule.parse(r)
        if end.kind == "share":
            return self._between(end.r, share) or 0  # a share of nothing is written as r=0
        if end.kind == "inflected":
            return round(self._between(end.r[0], share)), end.r[1]
        if end.kind == "list":
            return [round(self._between(each, share)) for each in end.r]
        return round(self._between(end.r, share))

    def _between(self, end: float, share: float) -> float:
        return self.start + share * (end - self.start)
