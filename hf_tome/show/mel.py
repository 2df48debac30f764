"""The axes of a log-mel spectrogram: seconds and Hz, as AST's feature extractor makes them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

LOWEST = 20.0  # Hz, where the lowest filter begins
WINDOW, HOP = 400, 160  # samples: 25 and 10 ms at 16 kHz
TICKS = (100, 300, 600, 1000, 2000, 4000, 7000, 11000, 20000)  # Hz


@dataclass(frozen=True)
class MelAxes:
    """Where the frames and the mel bins of a spectrogram lie.

    Attributes:
        rate: samples per second.
        bins: mel filters. Their centres are evenly spaced in mel (1127 ln(1 + f / 700)) from 20 Hz to rate / 2.
    """

    rate: int
    bins: int

    @classmethod
    def of(cls, processor: Any) -> MelAxes:
        """Those of an `ASTFeatureExtractor`."""
        return cls(processor.sampling_rate, processor.num_mel_bins)

    def seconds(self, frame: float) -> float:
        """The middle of a frame's window."""
        return (frame * HOP + WINDOW / 2) / self.rate

    def frames(self, samples: int) -> int:
        """How many whole windows a sound has."""
        return max(0, 1 + (samples - WINDOW) // HOP)

    def bin(self, frequency: float) -> float:
        """The bin, between bins too, whose filter is centred at a frequency in Hz."""
        low, high = mel(LOWEST), mel(self.rate / 2)
        return (mel(frequency) - low) / (high - low) * (self.bins + 1) - 1

    def ticks(self) -> list[tuple[float, str]]:
        """Bins to mark, with their frequencies."""
        marks = [(self.bin(frequency), f"{frequency:,}") for frequency in TICKS]
        return [(place, text) for place, text in marks if 0 <= place <= self.bins - 1]


def mel(frequency: float) -> float:
    """Hz to mel, as Kaldi counts it."""
    return 1127 * math.log(1 + frequency / 700)
