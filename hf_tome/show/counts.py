"""How many tokens each layer has, how large they are, and what a schedule merges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.core import Schedule
from hf_tome.data.extra import extra
from hf_tome.show.groups import forward_of
from hf_tome.trace import ForwardTrace, Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 16), (17, 32), (33, None))  # sizes of tokens, both ends included


def size_counts(trace: Trace | ForwardTrace, layers: int) -> np.ndarray:
    """How many patches are in a token of each size, after so many layers, over all inputs of the batch.

    Returns:
        int64: entry i is for tokens of i patches. Protected tokens are left out.
    """
    forward = forward_of(trace)
    groups = forward.groups_at(layers)[:, forward.protected :].cpu().numpy()
    sizes = [np.bincount(row)[row] for row in groups]
    return np.bincount(np.concatenate(sizes))


def token_counts_figure(trace: Trace | ForwardTrace) -> Figure:
    """Tokens after each layer, and how the patches are shared among tokens of different sizes.

    Raises:
        MissingExtraError: without the extra [viz].
    """
    figure, (left, right) = _axes(2)
    forward = forward_of(trace)
    counts = forward.token_counts
    bars = left.bar(range(len(counts)), counts, color="#4c72b0")
    left.bar_label(bars, fontsize=7)
    left.set(title="tokens", xlabel="after so many layers", ylabel="tokens")
    shares = np.array([_shares(size_counts(forward, layers)) for layers in range(len(counts))])  # (layers, bins)
    below = np.zeros(len(counts))
    for number, (low, high) in enumerate(BINS):
        if shares[:, number].any():
            name = f"{low}" if low == high else f"{low} to {high}" if high else f"{low} or more"
            colour = _colour(number / (len(BINS) - 1))
            right.bar(range(len(counts)), shares[:, number], bottom=below, label=name, color=colour)
            below += shares[:, number]
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
    figure, (left, right) = _axes(2)
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


def _shares(counts: np.ndarray) -> list[float]:
    bins = [counts[low : None if high is None else high + 1].sum() for low, high in BINS]
    return [float(each) / max(float(counts.sum()), 1.0) for each in bins]


def _colour(place: float) -> tuple[float, float, float, float]:
    from matplotlib import colormaps

    return colormaps["viridis"](place)


def _axes(count: int) -> Any:
    with extra("viz", "draw figures"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(11, 4), layout="constrained", dpi=120)
    axes = figure.subplots(1, count)
    for each in axes:
        each.grid(axis="y", alpha=0.3)
    return figure, axes
