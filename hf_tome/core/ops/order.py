"""A stable descending argsort, with the same result in every runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hf_tome.core.ops.exporting import exporting

if TYPE_CHECKING:
    from jaxtyping import Int, Shaped


def falling(scores: Shaped[Tensor, "*batch n"]) -> Int[Tensor, "*batch n"]:
    """The indices of the scores from the highest to the lowest, equal ones in index order.

    ONNX has no stable sort, OpenVINO's TopK mixes equal scores up, and ExecuTorch has no sort at all. So an export
    computes the rank of each score, the number of scores before it, and writes its index there.
    """
    if not exporting():
        return scores.argsort(dim=-1, descending=True, stable=True)
    place = torch.arange(scores.shape[-1], device=scores.device)
    own, other = scores[..., :, None], scores[..., None, :]
    before = (other > own) | ((other == own) & (place < place[:, None]))
    rank = before.sum(dim=-1)
    return torch.zeros_like(rank).scatter(-1, rank, place.expand_as(rank))


def rising(indices: Int[Tensor, "*batch n"]) -> Int[Tensor, "*batch n"]:
    """The indices from the lowest to the highest."""
    return indices.gather(-1, falling(-indices)) if exporting() else indices.sort(dim=-1).values
