"""`shorten`: inputs of a vision-language model with fewer visual tokens."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature

from hf_tome.api import module_of
from hf_tome.errors import ToMeTypeError, UnsupportedModelError, complaint
from hf_tome.vlm.choice import Choice
from hf_tome.vlm.features import Features, encode, visual_model
from hf_tome.vlm.prompt import cut, pad_id, positions_of
from hf_tome.vlm.reduction import Reduction


def shorten(model: Any, inputs: Mapping[str, Any], keep: float = 0.5, *, method: str = "merge", seed: int = 0) -> Any:
    """Inputs for `forward` or `generate` with fewer visual tokens.

    The images and videos are encoded once. The visual tokens of each merge by similarity until `keep` of them are
    left, in raster order, each in the place of one token of its group. The surplus placeholders are cut out of the
    prompt, and out of all that goes along with it: mask, token types, labels, positions. Text stays as it is.

    Args:
        model: a vision-language model of transformers with a placeholder for each visual token, or its pipeline.
        inputs: what its processor returned, on the model's device, with labels or without.
        keep: a float in (0, 1] is a share, an int a number of tokens. It holds for each image (each tile, where the
            prompt has separators between tiles) and each video. Separators that the model itself adds stay.
        method: "merge", or a way to drop tokens: "diverse", "norm", "attention" (of the vision tower, eager),
            "question" (similar to the words), "uniform", "random".
        seed: of method="random".

    Returns:
        The inputs in their type, with `mm_encoder_outputs` in place of the pixels (before transformers 5.23 with
        `inputs_embeds` in place of ids and pixels). Samples of different length are padded on the left. With keep=1.0
        the model's output is what it was, to the bit. Inputs without images come back as they are.

    Raises:
        ToMeTypeError, ToMeValueError: if an argument is wrong, or the placeholders do not fit the images.
        UnsupportedModelError: if the model has no placeholders, or is an encoder-decoder.
        UnsupportedAttentionError: if method="attention" finds no attention weights.
    """
    choice, module = Choice(keep, method, seed), module_of(model)
    visual = visual_model(module)
    if visual.config.is_encoder_decoder:
        rule = "shorten needs a decoder-only language model, whose prompts may be padded on the left."
        raise UnsupportedModelError(complaint(rule, type(module).__name__, "Use apply_tome(model, r=...) alone."))
    ids = inputs.get("input_ids")
    if not isinstance(ids, Tensor):
        rule, cure = "inputs hold input_ids and pixels, as a processor returns them.", "Leave inputs_embeds out."
        raise ToMeTypeError(complaint(rule, ", ".join(inputs) or "none", cure))
    found, used = encode(visual, inputs, attentions=method == "attention")
    if not found:
        return inputs
    dropped = torch.zeros_like(ids, dtype=torch.bool)
    reductions = {modality: choice.of(features, visual, ids) for modality, features in found.items()}
    for modality, features in found.items():
        goes = torch.ones(len(features.x), dtype=torch.bool, device=ids.device)
        goes[reductions[modality].leaders.to(ids.device)] = False
        dropped[features.places] = goes
    rest = {name: value for name, value in inputs.items() if name not in used}
    result = cut(rest, dropped, pad_id(visual), positions_of(visual, inputs))
    if "mm_encoder_outputs" in inspect.signature(visual.forward).parameters:
        result["mm_encoder_outputs"] = {name: each.reduced(reductions[name]) for name, each in found.items()}
    else:
        result["inputs_embeds"] = _embedded(visual, result.pop("input_ids"), found, reductions)
    return BatchFeature(result) if isinstance(inputs, BatchFeature) else result


def _embedded(visual: Any, ids: Tensor, found: dict[str, Features], reductions: dict[str, Reduction]) -> Tensor:
    """Embeddings (batch, tokens, channels) with the features in the place of their placeholders.

    Raises:
        UnsupportedModelError: if the model adds features in deeper layers too, which embeddings cannot carry.
    """
    embedded = visual.get_input_embeddings()(ids)
    for modality, features in found.items():
        if features.deep:
            rule = f"Features for deeper layers of {type(visual).__name__} need transformers 5.23 or later."
            raise UnsupportedModelError(complaint(rule, "an earlier version", "pip install -U transformers."))
        places = ids == getattr(visual.config, f"{modality}_token_id")
        rows = reductions[modality].apply(features.x)
        embedded = embedded.masked_scatter(places[..., None], rows.to(embedded.device, embedded.dtype))
    return embedded
