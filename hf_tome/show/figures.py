"""Figures of numbers: tokens after each layer, how large they are, and what a schedule merges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from hf_tome.core import Schedule
from hf_tome.errors import extra
from hf_tome.show.groups import forward_of
from hf_tome.trace import ForwardTrace, Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The least size in each range of sizes that have one colour.
SIZES = {1: "1", 2: "2", 3: "3 to 4", 5: "5 to 8", 9: "9 to 16", 17: "17 to 32", 33: "33 or more"}


def patch_sizes(trace: Trace | ForwardTrace, layers: int) -> np.ndarray:
    """int64 (batch, patches): the size of the token that each patch is in, after so many layers."""
    forward = forward_of(trace)
    groups = forward.patch_groups(layers).cpu().numpy()
    return np.stack([np.bincount(row)[row] for row in groups])


def token_counts_figure(trace: Trace | ForwardTrace) -> Figure:
    """Tokens after each layer, and how the patches are shared among tokens of different sizes.

    Raises:
        MissingExtraError: without the extra [viz].
    """
    figure, (left, right) = _axes()
    from matplotlib import colormaps

    counts = forward_of(trace).token_counts
    layers = range(len(counts))
    left.bar_label(left.bar(layers, counts, color="#4c72b0"), fontsize=7)
    left.set(title="tokens", xlabel="after so many layers", ylabel="tokens")
    sizes = [patch_sizes(trace, each) for each in layers]
    shares = np.array([np.histogram(each, [*SIZES, np.inf])[0] / each.size for each in sizes])  # (layers + 1, ranges)
    for number, label in enumerate(SIZES.values()):
        if shares[:, number].any():
            colour, below = colormaps["viridis"](number / (len(SIZES) - 1)), shares[:, :number].sum(axis=1)
            right.bar(layers, shares[:, number], bottom=below, label=label, color=colour)
    right.set(title="sizes", xlabel="after so many layers", ylabel="share of the patches", ylim=(0, 1))
    figure.legend(title="patches in\nthe token", loc="outside right center", fontsize=8)
    return figure


def schedule_figure(rs: Sequence[Any], tokens: int, layers: int, protected: int = 0) -> Figure:
    """What schedules merge, and how many tokens that leaves, before any model runs.

    Args:
        rs: each as `apply_tome` takes it.
        tokens: entering the first layer.
        layers: of the model.
        protected: tokens that never merge.

    Raises:
        ToMeTypeError, ToMeValueError: if one is no schedule, or a list longer than the model is deep.
        MissingExtraError: without the extra [viz].
    """
    figure, (left, right) = _axes()
    for r in rs:
        schedule = Schedule.parse(r)
        schedule.check_layers(layers)
        counts = schedule.counts(tokens, layers, protected)
        left.step(range(1, layers + 1), -np.diff(counts), where="mid", marker=".", label=f"r = {r}")
        right.plot(range(layers + 1), counts, marker=".")
    left.set(title="merged", xlabel="layer", ylabel="tokens merged in the layer")
    right.set(title="left", xlabel="after so many layers", ylabel="tokens")
    right.set_ylim(bottom=0)
    figure.legend(loc="outside right center", fontsize=8)
    return figure


def as_picture(figure: Figure) -> Image.Image:
    """A matplotlib figure as an RGB picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _axes() -> Any:
    """An empty figure, and its two axes side by side."""
    with extra("viz", "draw figures"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 4), layout="constrained", dpi=120)
    axes = figure.subplots(1, 2)
    for each in axes:
        each.grid(axis="y", alpha=0.3)
    return figure, axes
