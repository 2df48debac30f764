"""Merged groups on images, on the frames of clips, and on film strips."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from PIL import Image

from hf_tome.show.groups import forward_of
from hf_tome.show.scene import Scene, scenes
from hf_tome.show.sheet import sheet
from hf_tome.trace import ForwardTrace, Trace

ACROSS = 8  # frames in a row of a film strip


def image_groups(
    images: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None, *, beside: bool = False
) -> list[Image.Image]:
    """One picture for each image: groups filled with their mean colour and outlined (ToMe, figure 4).

    Patches of the same colour inside and the same outline are one token; a grey outline is a patch that is alone.
    An outline keeps its colour from layer to layer: when groups merge, that of the first in reading order stays.

    Args:
        images: uint8 (batch, height, width, 3), what the model saw: `seen(inputs["pixel_values"], processor)`.
        trace: of the forward on these images.
        layers: after how many layers; default all.
        beside: put the image itself at the left.

    Returns:
        RGB pictures. Images below 448 pixels are enlarged by a whole number.

    Raises:
        ToMeTypeError, ToMeValueError: if an image is not what the model saw, or there is no such layer.
    """
    return [Image.fromarray(_picture(scene, layers, beside)) for scene in scenes(images, trace)]


def video_groups(
    clips: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None, *, beside: bool = False
) -> list[list[Image.Image]]:
    """The frames of each clip with its groups filled and outlined.

    A group can reach over several frames: it has one fill, the mean over all of them, and one outline, so that one can
    follow it through time. Frames below 224 pixels are enlarged. Else as `image_groups`.

    Args:
        clips: uint8 (batch, frames, height, width, 3), what the model saw: `seen(inputs["pixel_values"], processor)`.
        trace: of the forward on these clips.
        layers: after how many layers; default all.
        beside: put the frame itself at the left.

    Raises:
        ToMeTypeError, ToMeValueError: if a clip is not what the model saw, or there is no such layer.
    """
    return [list(map(Image.fromarray, _picture(scene, layers, beside))) for scene in scenes(clips, trace)]


def film_strips(
    clips: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None
) -> list[Image.Image]:
    """Each clip as a strip: one frame of each step of the grid in time, and its groups below.

    Args and errors as those of `video_groups`.
    """
    forward = forward_of(trace)
    step, counts = forward.patches.sizes[0], forward.token_counts
    strips = []
    for scene in scenes(clips, forward):
        groups = list(map(Image.fromarray, scene.panels(scene.painted(layers))))
        inputs = list(map(Image.fromarray, scene.panels(scene.plain)))
        tokens = counts[-1 if layers is None else layers]
        rows = []
        for start in range(0, len(groups), ACROSS):
            stop = min(start + ACROSS, len(groups))
            rows.append((f"frames\n{start * step} to {stop * step - 1}", inputs[start:stop]))
            rows.append((f"groups:\n{tokens} of {counts[0]}\ntokens", groups[start:stop]))
        strips.append(sheet(rows))
    return strips


def _picture(scene: Scene, layers: int | None, beside: bool) -> np.ndarray:
    return scene.beside(layers) if beside else scene.painted(layers)
