"""A page to explore one input: a slider over the layers, and the members of the group under the pointer."""

from __future__ import annotations

import base64
import html
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hf_tome.show.scene import Scene
from hf_tome.show.spectrogram import MelAxes

TEMPLATE = Path(__file__).with_name("explorer.html")
POINTS = 1000  # across the waveform


def explorer(
    scene: Scene, title: str, caption: str = "", axes: MelAxes | None = None, wave: np.ndarray | None = None
) -> str:
    """HTML that holds everything it needs: it loads nothing, and works from a file.

    Args:
        scene: the input and its groups.
        title: of the page, plain text.
        caption: a line below it, plain text.
        axes: of a spectrogram.
        wave: (samples,) of a sound, drawn above it.
    """
    counts = scene.forward.token_counts
    groups = [scene.panel_groups(layers) for layers in range(len(counts))]
    rows, columns = scene.panel_lines()
    frames = scene.pixels.shape[1]
    data = {
        "kind": scene.kind,
        "counts": counts,
        "grid": groups[0].shape,
        "rows": rows.tolist(),
        "columns": columns.tolist(),
        "groups": [each.reshape(len(each), -1).tolist() for each in groups],
        "plain": _sources(scene.panels(scene.plain)),
        "painted": [_sources(scene.panels(scene.painted(layers))) for layers in range(len(counts))],
        "steps": [f"step {step}" for step in range(len(groups[0]))] if scene.kind == "video" else None,
        "ticks": {"x": [], "y": []} if axes is None else _ticks(axes, frames),
        "wave": None if axes is None or wave is None else _path(wave, axes, frames),
    }
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # nothing may close the script
    filled = {"__TITLE__": html.escape(title), "__CAPTION__": html.escape(caption), "__DATA__": text}
    whole = TEMPLATE.read_text(encoding="utf-8")
    for mark, value in filled.items():
        whole = whole.replace(mark, value)
    return whole


def _sources(panels: np.ndarray) -> list[str]:
    """Pictures as addresses that hold them."""
    sources = []
    for panel in panels:
        buffer = io.BytesIO()
        Image.fromarray(panel).save(buffer, "PNG")
        sources.append("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode())
    return sources


def _ticks(axes: MelAxes, frames: int) -> dict[str, list[Any]]:
    """Marks with their place, from 0 (left, top) to 1."""
    left, right = axes.seconds(-0.5), axes.seconds(frames - 0.5)
    every = next((step for step in (0.1, 0.5, 1, 2, 5, 10) if (right - left) / step <= 15), 60)
    times = np.arange(every, right, every)
    return {
        "x": [[(time - left) / (right - left), f"{time:g} s"] for time in times.tolist()],
        "y": [[1 - (place + 0.5) / axes.bins, f"{text} Hz"] for place, text in axes.ticks()],
    }


def _path(wave: np.ndarray, axes: MelAxes, frames: int) -> str:
    """The waveform as a line over the time of the spectrogram, from its lowest to its highest value at each point."""
    edges = np.linspace(axes.seconds(-0.5), axes.seconds(frames - 0.5), POINTS + 1) * axes.rate
    loudest = max(float(np.abs(wave).max(initial=0)), 1e-6)
    marks = []
    for point, (start, stop) in enumerate(zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True)):
        part = wave[start : max(stop, start + 1)] / loudest
        if len(part):
            marks.append(f"{'L' if marks else 'M'}{point} {-part.max():.3f}L{point} {-part.min():.3f}")
    return "".join(marks)
