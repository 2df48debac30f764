"""Merged groups in clips: painted frames, a film strip, and how far groups reach in time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hf_tome.show.groups import first_patches, forward_of, group_map, on_pixels
from hf_tome.show.image import line_width, side_by_side
from hf_tome.show.paint import line_colours, paint
from hf_tome.show.sheet import sheet
from hf_tome.trace import ForwardTrace, Trace

TALL = 224  # pixels that small frames are enlarged to
ACROSS = 8  # frames in a row of a film strip


def video_groups(
    clips: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None, *, beside: bool = False
) -> list[list[Image.Image]]:
    """The frames of each clip with its groups filled and outlined.

    A group can reach over several frames: it has one fill, the mean over all of them, and one outline, so that one can
    follow it through time. Else as `image_groups`.

    Args:
        clips: uint8 (batch, frames, height, width, 3), what the model saw: `seen(inputs["pixel_values"], processor)`.
        trace: of the forward on these clips.
        layers: after how many layers; default all.
        beside: put the frame itself at the left.

    Raises:
        ToMeValueError: if a clip is not what the model saw, or there is no such layer.
    """
    forward = forward_of(trace)
    pictures = []
    for item, clip in enumerate(clips):
        painted = painted_clip(clip, forward, item, layers)
        pairs = zip(clip, painted, strict=True)
        pictures.append([Image.fromarray(side_by_side(frame, each) if beside else each) for frame, each in pairs])
    return pictures


def painted_clip(clip: np.ndarray, forward: ForwardTrace, item: int, layers: int | None) -> np.ndarray:
    """One clip (frames, height, width, 3) with the groups of one input of the batch, enlarged."""
    groups = first_patches(group_map(forward, item, layers))
    owners = on_pixels(groups, forward.patches, clip.shape[:3])
    scale = max(1, TALL // max(clip.shape[1:3]))
    return paint(clip, owners, line_colours(groups), scale, line_width(forward.patches.sizes[-1] * scale))


def film_strips(
    clips: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None
) -> list[Image.Image]:
    """Each clip as a strip: one frame of each step of the grid in time, and its groups below.

    Args and errors as those of `video_groups`.
    """
    forward = forward_of(trace)
    step = forward.patches.sizes[0]
    painted_clips = video_groups(clips, forward, layers)
    tokens = forward.token_counts[len(forward.plans) if layers is None else layers]
    strips = []
    for clip, painted in zip(clips, painted_clips, strict=True):
        inputs, groups = [Image.fromarray(frame).resize(painted[0].size, 0) for frame in clip[::step]], painted[::step]
        rows = []
        for start in range(0, len(groups), ACROSS):
            stop = min(start + ACROSS, len(groups))
            rows.append((f"frames\n{start * step} to {stop * step - 1}", inputs[start:stop]))
            rows.append((f"groups:\n{tokens} of {forward.token_counts[0]}\ntokens", groups[start:stop]))
        strips.append(sheet(rows))
    return strips


@dataclass(frozen=True)
class Span:
    """The groups that reach over as many steps in time.

    Attributes:
        steps: of the grid in time, from the first in which a group has a patch to the last.
        groups: how many groups.
        patches: how many patches they hold together.
    """

    steps: int
    groups: int
    patches: int


def time_spans(trace: Trace | ForwardTrace, item: int = 0, layers: int | None = None) -> list[Span]:
    """How far the groups of one clip reach in time: one row for each reach that occurs, rising."""
    groups = first_patches(group_map(trace, item, layers))
    steps = np.repeat(np.arange(groups.shape[0]), groups[0].size)
    numbers = groups.ravel()
    first, last = np.full(groups.size, groups.shape[0]), np.full(groups.size, -1)
    np.minimum.at(first, numbers, steps)
    np.maximum.at(last, numbers, steps)
    patches = np.bincount(numbers, minlength=groups.size)
    reach = (last - first + 1)[patches > 0]
    held = patches[patches > 0]
    return [Span(int(n), int((reach == n).sum()), int(held[reach == n].sum())) for n in np.unique(reach)]
