"""The visual tokens of a prompt: their places, and their features."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from hf_tome.errors import ToMeValueError, UnsupportedAttentionError, UnsupportedModelError, complaint
from hf_tome.vlm.prompt import arguments_of, runs
from hf_tome.vlm.reduction import Reduction

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

PIXELS = {"image": "pixel_values", "video": "pixel_values_videos"}


@dataclass(frozen=True, eq=False)
class Features:
    """The images or the videos of a prompt, encoded.

    Attributes:
        output: of `get_image_features` or `get_video_features`.
        places: which tokens of the prompt are their placeholders.
        x: the feature for each placeholder, in their order.
        items: rows of x for each element of the output.
        pieces: rows of x for each image (each tile, where tiles are apart in the prompt) or video.
    """

    output: Any
    places: Bool[Tensor, "batch tokens"]
    x: Float[Tensor, "rows channels"]
    items: list[int]
    pieces: list[int]

    @property
    def deep(self) -> Any:
        """Features for deeper layers of the language model (DeepStack), or None."""
        return getattr(self.output, "deepstack_features", None)

    def reduced(self, reduction: Reduction) -> Any:
        """The output with fewer rows, in the form that the model reads."""
        fewer = {"pooler_output": _reduced(self.output.pooler_output, reduction, self.items)}
        if self.deep is not None:
            fewer["deepstack_features"] = [_reduced(level, reduction, self.items) for level in self.deep]
        return replace(self.output, **fewer)

    def attention(self, config: Any) -> Float[Tensor, " rows"]:
        """The attention of the tower's class token to each row, or the mean of all its tokens, where it has none.

        It is taken from the layer whose output the language model reads.

        Raises:
            UnsupportedAttentionError: if the tower returns no attention weights.
            UnsupportedModelError: if its tokens are not the rows.
        """
        layer = getattr(config, "vision_feature_layer", -1)
        layer = layer if isinstance(layer, int) else -1  # LLaVA counts the embeddings as the first
        weights = getattr(self.output, "attentions", None)
        if not weights:
            rule = 'method="attention" reads the attention weights of the vision tower.'
            raise UnsupportedAttentionError(complaint(rule, "none", 'Call model.set_attn_implementation("eager").'))
        mean = weights[layer if layer < 0 else layer - 1].mean(dim=1).detach()  # of the heads: (images, tokens, tokens)
        images, tokens = mean.shape[:2]
        if images * (tokens - 1) == len(self.x):
            return mean[:, 0, 1:].flatten()
        if images * tokens == len(self.x):
            return mean.mean(dim=1).flatten()
        rule = 'method="attention" needs a visual token for each token of the vision tower.'
        got = f"{images} x {tokens} tokens of the tower for {len(self.x)} visual tokens"
        raise UnsupportedModelError(complaint(rule, got, 'Choose another method, such as "merge".'))


def visual_model(model: nn.Module) -> Any:
    """The part of a vision-language model that encodes images and puts them in the place of placeholders.

    Raises:
        UnsupportedModelError: if there is none.
    """
    for module in model.modules():
        scatters = hasattr(module, "get_placeholder_mask") or hasattr(module, "inputs_merger")
        if scatters and hasattr(module, "get_image_features") and hasattr(module.config, "image_token_id"):
            pixels = inspect.signature(module.forward).parameters.get("pixel_values")
            if pixels is not None and pixels.default is None:  # BLIP-2 cannot do without pixels, and has few tokens
                return module
    rule = "shorten needs a vision-language model whose prompt has a placeholder for each visual token."
    cure = "Such are LLaVA, InternVL, Qwen-VL, Gemma 3 and SmolVLM. Others gain by apply_tome(model, r=...)."
    raise UnsupportedModelError(complaint(rule, type(model).__name__, cure))


def encode(visual: Any, inputs: Mapping[str, Any], attentions: bool) -> tuple[dict[str, Features], set[str]]:
    """The features of each modality that the inputs hold, and the names of the inputs that they are made of.

    Args:
        visual: what `visual_model` found.
        inputs: of its forward.
        attentions: whether to ask the tower for its attention weights.

    Raises:
        ToMeValueError: if the prompt has not a placeholder for each visual token.
    """
    found, used = {}, set()
    for modality, name in PIXELS.items():
        pixels = inputs.get(name)
        if pixels is None:
            continue
        function = getattr(visual, f"get_{modality}_features")
        arguments = arguments_of(function, {key: value for key, value in inputs.items() if key not in PIXELS.values()})
        used |= {name, *arguments}
        more = {"output_attentions": True} if attentions else {}
        output = function(pixels, **arguments, **more, return_dict=True)
        places = inputs["input_ids"] == getattr(visual.config, f"{modality}_token_id")
        rows = [_rows(element) for element in output.pooler_output]
        x, items = torch.cat(rows), [len(each) for each in rows]
        if len(x) != places.sum():
            rule = f"A prompt has a placeholder for each visual token of its {modality}s."
            got = f"{int(places.sum())} placeholders for {len(x)} visual tokens"
            raise ToMeValueError(complaint(rule, got, "Pass all that the model's processor returns for both."))
        # Tiles that are apart in the prompt merge apart; the frames of a video merge with each other.
        pieces = _common(items, runs(places)) if modality == "image" else items
        found[modality] = Features(output, places, x, items, pieces)
    return found, used


def _common(first: list[int], second: list[int]) -> list[int]:
    """Lengths of the parts when the rows are cut where either list cuts them."""
    ends = {int(end) for lengths in (first, second) for end in torch.tensor(lengths).cumsum(0)}
    return torch.tensor([0, *sorted(ends)]).diff().tolist()


def _rows(x: Tensor) -> Tensor:
    """(..., rows, channels) -> (rows, channels)"""
    return x.reshape(-1, x.shape[-1])


def _reduced(features: Any, reduction: Reduction, items: list[int]) -> Any:
    """Features with fewer rows: a tensor (items, rows, channels) or (rows, channels), or a list of one an item."""
    if isinstance(features, Tensor) and features.ndim == 2 and len(features) == sum(items):
        return reduction.apply(features)
    parts = reduction.apply(torch.cat([_rows(part) for part in features])).split(reduction.lengths(items))
    if isinstance(features, Tensor):
        return torch.stack(parts)
    return [part.reshape(*[1] * (old.ndim - 2), *part.shape) for part, old in zip(parts, features, strict=True)]
