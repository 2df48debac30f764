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

    Title and caption are plain text. A sound has `axes`, and `wave` (samples,), which is drawn above its spectrogram.
    """
    layers = range(len(scene.forward.token_counts))
    groups = [scene.panel_groups(each) for each in layers]  # (panels, rows, columns) each
    rows, columns = scene.panel_lines()
    frames = scene.pixels.shape[1]
    data = {
        "kind": scene.kind,
        "counts": scene.forward.token_counts,
        "grid": groups[0].shape,
        "rows": rows.tolist(),
        "columns": columns.tolist(),
        "groups": [each.reshape(len(each), -1).tolist() for each in groups],
        "plain": _sources(scene.panels(scene.plain)),
        "painted": [_sources(scene.panels(scene.painted(each))) for each in layers],
        "ticks": {"x": [], "y": []} if axes is None else _ticks(axes, frames),
        "wave": None if axes is None or wave is None else _path(wave, axes, frames),
    }
    text = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # nothing may close the script
    page = TEMPLATE.read_text(encoding="utf-8").replace("__DATA__", text)
    return page.replace("__CAPTION__", html.escape(caption)).replace("__TITLE__", html.escape(title))


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
    edges = (np.linspace(axes.seconds(-0.5), axes.seconds(frames - 0.5), POINTS + 1) * axes.rate).astype(int)
    wave = wave[: edges[-1]] / max(float(np.abs(wave).max(initial=0)), 1e-6)
    starts = edges[:-1][edges[:-1] < len(wave)]
    extremes = zip(np.maximum.reduceat(wave, starts), np.minimum.reduceat(wave, starts), strict=True)
    marks = [f"{point} {-high:.3f}L{point} {-low:.3f}" for point, (high, low) in enumerate(extremes)]
    return "M" + "L".join(marks) if marks else ""
