"""How much the class token attends to each patch."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from hf_tome.errors import ToMeValueError, complaint
from hf_tome.show.groups import forward_of, group_map, on_pixels
from hf_tome.show.paint import coloured, enlarged
from hf_tome.show.scene import scenes
from hf_tome.trace import ForwardTrace, Trace

HEAT = 0.6  # of a pixel is the colour of the attention that its patch gets, the rest is the image in grey


def class_attention(
    attentions: Sequence[Tensor], trace: Trace | ForwardTrace, layer: int = -1, item: int = 0
) -> np.ndarray:
    """The class token's attention to each patch in one layer, mean of the heads, shaped as the grid.

    A token's attention is shared evenly among its patches, so that the map sums up to what all patches get together.

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
    """Each image in grey, under the attention that the class token pays to each patch: dark to bright, as heat.

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
