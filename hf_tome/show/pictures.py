"""Merged groups, and the attention of the class token, on images, on the frames of clips, and on film strips."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.show.groups import forward_of, group_map, on_pixels
from hf_tome.show.paint import coloured, enlarged
from hf_tome.show.scene import scenes
from hf_tome.show.sheet import sheet
from hf_tome.trace import ForwardTrace, Trace

ACROSS = 8  # frames in a row of a film strip
HEAT = 0.6  # of a pixel is the colour of the attention that its patch gets, the rest is the image in grey


def image_groups(
    images: Collection[np.ndarray], trace: Trace | ForwardTrace, layers: int | None = None, *, beside: bool = False
) -> list[Image.Image]:
    """One picture for each image: groups filled with their mean colour and outlined (ToMe, figure 4).

    Patches with the same fill and the same outline are one token; a patch with a grey outline is alone. Outlines keep
    their colours from layer to layer: when groups merge, that of the first in reading order stays.

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

    A group may span several frames. It has one fill, the mean over all of them, and one outline, so that it can be
    followed through time. Frames below 224 pixels are enlarged.

    Args and errors as those of `image_groups`; `clips` are uint8 (batch, frames, height, width, 3).
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


def class_attention(
    attentions: Sequence[Tensor], trace: Trace | ForwardTrace, layer: int = -1, item: int = 0
) -> np.ndarray:
    """The class token's attention to each patch in one layer, mean of the heads, shaped as the grid.

    A token's attention is divided evenly among its patches, so that the map sums to what all patches get together.

    Args:
        attentions: `outputs.attentions` of the traced forward: (batch, heads, tokens, tokens) of each layer. The model
            must have been loaded with `attn_implementation="eager"` and called with `output_attentions=True`.
        trace: of that forward.
        layer: an index of `attentions`.
        item: which input of the batch.

    Raises:
        ToMeValueError: if there is no class token, or the attentions are not those of the traced forward.
    """
    forward = forward_of(trace)
    layers = len(forward.plans)
    if not forward.protected or len(attentions) != layers or not -layers <= layer < layers:
        rule = f"Class attention needs a class token, and one attention map for each of {layers} layers."
        got = f"{forward.protected} protected tokens, {len(attentions)} maps, layer {layer}"
        raise ToMeValueError(complaint(rule, got, "Pass outputs.attentions of a forward with output_attentions=True."))
    groups = group_map(forward, item, layer % layers)
    row = attentions[layer][item, :, 0].detach().float().cpu().mean(0).numpy()  # (tokens,)
    return (row / np.maximum(np.bincount(groups.ravel(), minlength=len(row)), 1))[groups]


def attention_images(
    images: Collection[np.ndarray], attentions: Sequence[Tensor], trace: Trace | ForwardTrace, layer: int = -1
) -> list[Image.Image]:
    """Each image in grey, overlaid with the attention of the class token to each patch, from dark to bright.

    Args and errors as those of `class_attention`; `images` as those of `image_groups`.
    """
    pictures = []
    for scene in scenes(images, trace):
        levels = class_attention(attentions, trace, layer, scene.item)
        levels = (255 * levels / max(float(levels.max()), 1e-12)).round().astype(int)
        heat = coloured(np.maximum(on_pixels(levels, scene.forward.patches, scene.pixels.shape[:-1]), 0))
        grey = scene.pixels.mean(axis=-1, keepdims=True)
        shaded = (HEAT * heat + (1 - HEAT) * grey).round().astype(np.uint8)
        pictures.append(Image.fromarray(enlarged(shaded, scene.scale)))
    return pictures
