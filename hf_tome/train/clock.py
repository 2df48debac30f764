"""Where the time of a training step goes: waiting for data, or computing."""

from __future__ import annotations

import time


class StepClock:
    """A stopwatch that is read at the events of a training; evaluating and saving are left out.

    The Trainer takes the batches of a step before the step begins. So the time between the end of a step (and of its
    logging, evaluation and saving) and the beginning of the next is what the data took.
    """

    def __init__(self) -> None:
        self.mark = time.perf_counter()
        self._reset()

    def _reset(self) -> None:
        self.steps, self.waited, self.worked = 0, 0.0, 0.0  # since the last reading; seconds

    def lap(self) -> float:
        """Seconds since the last event."""
        before, self.mark = self.mark, time.perf_counter()
        return self.mark - before

    def step_begins(self) -> None:
        self.waited += self.lap()

    def step_ends(self) -> None:
        self.worked += self.lap()
        self.steps += 1

    def read(self, samples_per_step: int) -> dict[str, float]:
        """`samples_per_second` and `data_wait` (share of the time, 0 to 1) since the last reading; starts anew.

        Where a device runs behind, the Trainer has waited for it between the step's end and its log: that is work.
        """
        self.worked += self.lap()
        seconds = self.waited + self.worked
        rates = {"samples_per_second": self.steps * samples_per_step / seconds, "data_wait": self.waited / seconds}
        self._reset()
        return rates
