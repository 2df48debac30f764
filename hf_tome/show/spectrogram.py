"""Merged groups over the spectrogram that an audio model sees, on axes in seconds and Hz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor
from transformers.audio_utils import hertz_to_mel

from hf_tome.errors import extra
from hf_tome.show.scene import Scene, scenes, spectrograms
from hf_tome.trace import ForwardTrace, Trace

if TYPE_CHECKING:
    from jaxtyping import Float
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOWEST = 20.0  # Hz, where the lowest filter begins
WINDOW, HOP = 400, 160  # samples: 25 and 10 ms at 16 kHz
TICKS = (100, 300, 600, 1000, 2000, 4000, 7000, 11000, 20000)  # Hz


@dataclass(frozen=True)
class MelAxes:
    """Where the frames and the mel bins of a spectrogram lie, as AST's feature extractor makes them.

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
        low, high, mel = (hertz_to_mel(each, mel_scale="kaldi") for each in (LOWEST, self.rate / 2, frequency))
        return float((mel - low) / (high - low) * (self.bins + 1) - 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Bins to mark, with their frequencies."""
        marks = [(self.bin(frequency), f"{frequency:,}") for frequency in TICKS]
        return [(place, text) for place, text in marks if 0 <= place <= self.bins - 1]


def sound_groups(
    features: Float[Tensor, "batch frames bins"],
    trace: Trace | ForwardTrace,
    processor: Any,
    waves: Sequence[np.ndarray] | None = None,
    layers: int | None = None,
    *,
    padding: bool | None = None,
) -> list[Figure]:
    """One figure for each sound: the waveform, the log-mel spectrogram, and its groups, above one axis in seconds.

    AST's patches are 16 x 16 and begin every 10, so they overlap: a pixel has the group of the patch whose centre is
    nearest. What no patch covers at the end of an axis keeps its own colour.

    Args:
        features: the model's `input_values`.
        trace: of the forward on them.
        processor: the feature extractor that made them.
        waves: (samples,) of each sound, at the processor's rate; without them no waveform is drawn, and the whole
            window is shown.
        layers: after how many layers; default all.
        padding: show the whole window, with what the processor fills it up with where a sound ends before it; default
            where the sound fills a quarter of it or more.

    Raises:
        ToMeValueError: if these are not the features of the traced forward, or there is no such layer.
        MissingExtraError: without the extra [viz].
    """
    with extra("viz", "draw sounds"):
        import matplotlib  # noqa: F401
    axes, figures = MelAxes.of(processor), []
    for scene in scenes(spectrograms(features), trace):
        wave = None if waves is None else waves[scene.item]
        window = scene.pixels.shape[1]
        sounding = window if wave is None else axes.frames(len(wave))
        whole = sounding >= window / 4 if padding is None else padding
        if not whole:
            least = scene.forward.patches.sizes[1]
            scene = replace(scene, columns=min(max(sounding, least), window))
        figures.append(_figure(scene, axes, wave, sounding, layers))
    return figures


def _figure(scene: Scene, axes: MelAxes, wave: np.ndarray | None, sounding: int, layers: int | None) -> Figure:
    """One sound, of which so many frames are not padding."""
    from matplotlib.figure import Figure

    heights = [2.2, 2.2] if wave is None else [1, 2.2, 2.2]
    figure = Figure(figsize=(12, 1.6 * sum(heights)), layout="constrained", dpi=120)
    rows: list[Axes] = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    bins, window = scene.pixels.shape[:2]
    columns = scene.columns or window
    left, right = axes.seconds(-0.5), axes.seconds(columns - 0.5)
    titles = "log-mel spectrogram, as the model sees it", _title(scene, axes, wave, sounding, layers)
    for row, picture, title in zip(rows[-2:], (scene.plain, scene.painted(layers)), titles, strict=True):
        row.imshow(picture, origin="lower", aspect="auto", extent=(left, right, -0.5, bins - 0.5))
        row.set_yticks(*zip(*axes.ticks(), strict=True))
        row.set_ylabel("Hz (mel scale)")
        row.set_title(title, fontsize=10)
        if sounding < columns:
            row.axvline(axes.seconds(sounding - 0.5), color="white", linestyle="--", linewidth=1)
    rows[-1].set_xlabel("seconds")
    if wave is not None:
        rows[0].plot(np.arange(len(wave)) / axes.rate, wave, linewidth=0.6)
        rows[0].set_ylabel("waveform")
        rows[0].grid(alpha=0.3)
    rows[0].set_xlim(left, right)
    return figure


def _title(scene: Scene, axes: MelAxes, wave: np.ndarray | None, sounding: int, layers: int | None) -> str:
    counts, window = scene.forward.token_counts, scene.pixels.shape[1]
    layers = len(counts) - 1 if layers is None else layers
    tokens = f"groups after {layers} layers: {counts[layers]} of {counts[0]} tokens"
    whole = axes.seconds(window) - axes.seconds(0)
    if sounding < window:
        return f"{tokens}, for the whole window of {whole:.1f} s (the rest of it is padding)"
    if wave is not None and sounding > window:
        return f"{tokens}; the model sees {whole:.1f} s of {len(wave) / axes.rate:.1f} s"
    return tokens
