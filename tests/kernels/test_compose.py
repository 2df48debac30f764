"""Several merges one after the other, in one launch, against a walk by hand; interpreted where there is no GPU."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from triton_kernels import DEVICE

from hf_tome.core.ops import gpu


def random_plan(tokens: int, groups: int, chance: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Leaders, joiners and targets of three samples; any that there can be."""
    order = torch.stack([torch.randperm(tokens, generator=chance) for _ in range(3)])
    targets = torch.randint(groups, (3, tokens - groups), generator=chance)
    return order[:, :groups].to(DEVICE), order[:, groups:].to(DEVICE), targets.to(DEVICE)


# tokens after each merge: one merge, several, more tokens than one block of threads takes at a time
@pytest.mark.parametrize("counts", [[9, 5], [20, 13, 12, 6, 1], [600, 310, 300]])
def test_every_token_is_followed_through_all_merges(counts: list[int]) -> None:
    chance = torch.Generator().manual_seed(0)
    plans = [random_plan(*pair, chance) for pair in pairwise(counts)]
    found = gpu.compose(*(list(parts) for parts in zip(*plans, strict=True)))
    for sample in range(3):
        for token in range(counts[0]):
            place = token
            for leaders, joiners, targets in plans:
                leading, joining = leaders[sample].tolist(), joiners[sample].tolist()
                place = leading.index(place) if place in leading else int(targets[sample, joining.index(place)])
            assert found[sample, token] == place
