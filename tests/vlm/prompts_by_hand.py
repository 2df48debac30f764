"""The logits of a shortened prompt, from embeddings that are put together token by token. No code of the package."""

from __future__ import annotations

from typing import Any

import oracle
import torch
from torch import Tensor
from vlms import IMAGE

Rows = list[list[float]]


def groups_of(rows: Rows, keep: int) -> list[list[int]]:
    """The tokens of each group, its leader first, in the order of the leaders: matched as often as it takes."""
    groups = [[token] for token in range(len(rows))]
    while len(groups) > keep:
        found = oracle.match([mean_of(rows, each) for each in groups], len(groups) - keep)
        groups = sorted([token for old in members for token in groups[old]] for members in found.members)
    return groups


def mean_of(rows: Rows, tokens: list[int]) -> list[float]:
    return [sum(rows[token][channel] for token in tokens) / len(tokens) for channel in range(len(rows[0]))]


def count_of(keep: float, tokens: int) -> int:
    return min(keep, tokens) if isinstance(keep, int) else max(1, round(keep * tokens))


def logits_by_hand(model: Any, visual: Any, inputs: dict[str, Any], keep: float) -> list[Tensor]:
    """(tokens, vocabulary) of each sample alone.

    Args:
        model: the whole model, in float64.
        visual: its part that encodes images.
        inputs: of two or more samples, padded on the left.
        keep: as `shorten` takes it.
    """
    names = ("pixel_values", "image_sizes", "image_grid_thw")
    output = visual.get_image_features(**{name: inputs[name] for name in names if name in inputs}, return_dict=True)
    levels = [list(output.pooler_output), *(list(level) for level in getattr(output, "deepstack_features", None) or [])]
    levels = [torch.cat([each.reshape(-1, each.shape[-1]) for each in level]).tolist() for level in levels]
    newline = visual.image_newline.tolist() if hasattr(visual, "image_newline") else None
    axes = None
    if hasattr(visual, "get_rope_index"):
        given = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
        axes = visual.get_rope_index(**{name: inputs[name] for name in given})[0]
    logits, first = [], 0
    for sample, ids in enumerate(inputs["input_ids"].tolist()):
        place = inputs["attention_mask"][sample].tolist().index(1)
        places, visible = [], {}  # places of the prompt that stay; the features of those that are visual
        while place < len(ids):
            places.append(place)
            end = place
            while end < len(ids) and ids[end] == IMAGE:
                end += 1
            if end > place:
                span = [rows[first : first + end - place] for rows in levels]
                visible |= {place + token: features for token, features in kept(span, keep, newline).items()}
                places[-1:] = sorted(each for each in visible if each >= place)
                first += end - place
            place = max(end, place + 1)
        logits.append(_run(model, visual, inputs, sample, places, visible, axes))
    return logits


def kept(levels: list[Rows], keep: float, newline: list[float] | None) -> dict[int, list[list[float]]]:
    """The tokens of one image that stay, with their features on each level."""
    separators = [token for token, row in enumerate(levels[0]) if row == newline]
    others = [token for token in range(len(levels[0])) if token not in separators]
    groups = groups_of([levels[0][token] for token in others], count_of(keep, len(others)))
    groups = [[others[token] for token in group] for group in groups] + [[token] for token in separators]
    return {group[0]: [mean_of(rows, group) for rows in levels] for group in groups}


def _run(
    model: Any, visual: Any, inputs: dict[str, Any], sample: int, places: list[int], visible: Any, axes: Any
) -> Tensor:
    """The logits of one sample from the embeddings of the tokens that stay."""
    ids, embed = inputs["input_ids"][sample][places], model.get_input_embeddings()
    rows = [visible[place][0] if place in visible else embed(ids[i]).tolist() for i, place in enumerate(places)]
    arguments = {"inputs_embeds": torch.tensor([rows], dtype=torch.float64)}
    if axes is not None:
        arguments["position_ids"] = axes[:, sample : sample + 1, places]
    if "token_type_ids" in inputs:
        arguments["token_type_ids"] = inputs["token_type_ids"][sample : sample + 1, places]
    if not hasattr(visual.config.vision_config, "deepstack_visual_indexes"):
        return model(**arguments).logits[0]
    features = torch.tensor([visible[place] for place in places if place in visible], dtype=torch.float64)
    arguments |= {"visual_pos_masks": (ids == IMAGE)[None], "deepstack_visual_embeds": features.unbind(dim=1)[1:]}
    return model.lm_head(visual.language_model(**arguments).last_hidden_state)[0]
