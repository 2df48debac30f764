"""Merged groups over the spectrogram that an audio model sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hf_tome.data.extra import extra
from hf_tome.show.groups import first_patches, forward_of, group_map, on_pixels
from hf_tome.show.mel import MelAxes
from hf_tome.show.paint import coloured, fill, line_colours, outlined
from hf_tome.trace import ForwardTrace, Trace

if TYPE_CHECKING:
    from jaxtyping import Float, UInt8
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DETAIL = (512, 2000)  # pixels up and across that a spectrogram is enlarged to


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
    forward, axes = forward_of(trace), MelAxes.of(processor)
    figures = []
    for item, levels in enumerate(spectrograms(features)):
        wave = None if waves is None else waves[item]
        sounding = levels.shape[1] if wave is None else min(axes.frames(len(wave)), levels.shape[1])
        whole = sounding >= levels.shape[1] / 4 if padding is None else padding
        columns = levels.shape[1] if whole else max(sounding, min(forward.patches.sizes[1], levels.shape[1]))
        painted = painted_spectrogram(levels, forward, item, layers, columns)
        title = _title(forward, layers, axes, wave, levels.shape[1])
        figures.append(_figure(levels[:, :columns], painted, axes, wave, title, sounding))
    return figures


def spectrograms(features: Float[Tensor, "batch frames bins"]) -> UInt8[np.ndarray, "batch bins frames"]:
    """Features as grey levels, the quietest of each sound black and the loudest white; the lowest bin comes first."""
    levels = np.nan_to_num(features.detach().cpu().double().numpy()).transpose(0, 2, 1)
    low, high = levels.min((1, 2), keepdims=True), levels.max((1, 2), keepdims=True)
    return ((levels - low) / np.maximum(high - low, 1e-6) * 255).round().astype(np.uint8)


def painted_spectrogram(
    levels: np.ndarray, forward: ForwardTrace, item: int, layers: int | None, columns: int | None = None
) -> np.ndarray:
    """The first columns of one spectrogram, each group at its mean level and outlined, in colours, enlarged."""
    groups = first_patches(group_map(forward, item, layers))
    owners = on_pixels(groups, forward.patches, levels.shape)
    mean = coloured(fill(np.stack([levels] * 3, axis=-1), owners)[..., 0])
    lines = line_colours(groups)
    return outlined(enlarged_spectrogram(mean[:, :columns]), enlarged_spectrogram(owners[:, :columns]), lines, width=2)


def enlarged_spectrogram(levels: np.ndarray) -> np.ndarray:
    """(bins, frames, ...) as a wide picture: short sounds are enlarged more along time than along frequency."""
    down, right = (max(1, target // side) for target, side in zip(DETAIL, levels.shape[:2], strict=True))
    return levels.repeat(down, axis=0).repeat(right, axis=1)


def _title(forward: ForwardTrace, layers: int | None, axes: MelAxes, wave: np.ndarray | None, columns: int) -> str:
    layers = len(forward.plans) if layers is None else layers
    tokens = f"groups after {layers} layers: {forward.token_counts[layers]} of {forward.token_counts[0]} tokens"
    sounding = columns if wave is None else axes.frames(len(wave))
    seen = axes.seconds(columns) - axes.seconds(0)
    if wave is not None and sounding > columns:
        return f"{tokens}; the model sees {seen:.1f} s of {len(wave) / axes.rate:.1f} s"
    if sounding < columns:
        return f"{tokens}, for the whole window of {seen:.1f} s (the rest of it is padding)"
    return tokens


def _figure(
    levels: np.ndarray, painted: np.ndarray, axes: MelAxes, wave: np.ndarray | None, title: str, sounding: int
) -> Figure:
    from matplotlib.figure import Figure

    heights = [2.2, 2.2] if wave is None else [1, 2.2, 2.2]
    figure = Figure(figsize=(12, 1.6 * sum(heights)), layout="constrained", dpi=120)
    rows: list[Axes] = list(figure.subplots(len(heights), 1, sharex=True, height_ratios=heights))
    left, right = axes.seconds(-0.5), axes.seconds(levels.shape[1] - 0.5)
    for row, picture in zip(rows[-2:], (coloured(levels), painted), strict=True):
        row.imshow(picture, origin="lower", aspect="auto", extent=(left, right, -0.5, levels.shape[0] - 0.5))
        row.set_yticks([place for place, _ in axes.ticks()], [text for _, text in axes.ticks()])
        row.set_ylabel("Hz (mel scale)")
        if sounding < levels.shape[1]:
            row.axvline(axes.seconds(sounding - 0.5), color="white", linestyle="--", linewidth=1)
    rows[-2].set_title("log-mel spectrogram, as the model sees it", fontsize=10)
    rows[-1].set_title(title, fontsize=10)
    rows[-1].set_xlabel("seconds")
    if wave is not None:
        rows[0].plot(np.arange(len(wave)) / axes.rate, wave, linewidth=0.6)
        rows[0].set_ylabel("waveform")
        rows[0].grid(alpha=0.3)
    rows[0].set_xlim(left, right)
    return figure
