"""r over the steps of a training: it rises linearly to the r that the model keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hf_tome.core.schedule import Schedule
from hf_tome.errors import ToMeTypeError, ToMeValueError, complaint, shown

STEPS = "warmup is a number of steps (int >= 0) or a share of all steps (float in [0, 1])."
START = "r_start is an int >= 0, or a float in (0, 1) where r is one too."


@dataclass(frozen=True)
class WarmUp:
    """A linear ramp to r, with `start` in every layer at step 0, as `STEPS` and `START` say.

    Raises:
        ToMeTypeError, ToMeValueError: if one of them is not as said there.
    """

    length: int | float = 0
    start: int | float = 0

    def __post_init__(self) -> None:
        number = isinstance(self.length, int | float) and not isinstance(self.length, bool)
        if not number or not self.length >= 0 or (isinstance(self.length, float) and not self.length <= 1):
            error = ToMeValueError if number else ToMeTypeError
            raise error(complaint(STEPS, shown(self.length), "For example warmup=500 or warmup=0.2."))
        if Schedule.parse(self.start).kind not in ("constant", "share"):
            raise ToMeValueError(complaint(START, shown(self.start), "For example r_start=0."))

    def check(self, r: Any) -> None:
        """Refuse what is no `r`, and one that is no share though the start is."""
        if Schedule.parse(r).kind != "share" and isinstance(self.start, float):
            cure = "Write an int for r_start, or a share for r."
            raise ToMeValueError(complaint(START, f"r_start={self.start} and r={shown(r)}", cure))

    def at(self, step: int, steps: int, r: Any) -> Any:
        """The r of step `step` (from 0) in a training of `steps` steps that ends with `r`."""
        length = self.length * steps if isinstance(self.length, float) else self.length
        if step >= length:
            return r
        end = Schedule.parse(r)

        def between(last: float) -> float:
            return self.start + step / length * (last - self.start)

        if end.kind == "share":
            return between(end.r) or 0  # a share of nothing is written as r=0
        if end.kind == "inflected":
            return round(between(end.r[0])), end.r[1]
        return [round(between(each)) for each in end.r] if end.kind == "list" else round(between(end.r))
