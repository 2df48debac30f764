"""Merged groups on images, on the frames of clips, and on film strips."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from PIL import Image

from hf_tome.show.scene import scenes
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
    return [Image.fromarray(each.beside(layers) if beside else each.painted(layers)) for each in scenes(images, trace)]


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
    pictures = (each.beside(layers) if beside else each.painted(layers) for each in scenes(clips, trace))
    return [list(map(Image.fromarray, frames)) for frames in pictures]


def film_strips(
    clips: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None
) -> list[Image.Image]:
    """Each clip as a strip: one frame of each step of the grid in time, and its groups below.

    Args and errors as those of `video_groups`.
    """
    strips = []
    for scene in scenes(clips, trace):
        counts, step = scene.forward.token_counts, scene.forward.patches.sizes[0]
        tokens = f"groups:\n{counts[-1 if layers is None else layers]} of {counts[0]}\ntokens"
        inputs, groups = (
            list(map(Image.fromarray, scene.panels(each))) for each in (scene.plain, scene.painted(layers))
        )
        rows = []
        for start in range(0, len(groups), ACROSS):
            stop = min(start + ACROSS, len(groups))
            rows.append((f"frames\n{start * step} to {stop * step - 1}", inputs[start:stop]))
            rows.append((tokens, groups[start:stop]))
        strips.append(sheet(rows))
    return strips
