"""What holds for every trace."""

from __future__ import annotations

import torch
from cases import LAYERS, Case

from hf_tome.trace import ForwardTrace


def check(trace: ForwardTrace, case: Case, batch: int) -> None:
    """What holds for every trace."""
    first, last = trace.token_counts[0], trace.token_counts[-1]
    assert first == case.tokens
    assert len(trace.token_counts) == LAYERS + 1
    assert trace.sizes.shape == (batch, last)
    assert trace.sizes.dtype == torch.float32
    assert trace.sizes.sum(1).tolist() == [first] * batch
    assert trace.groups.shape == (batch, first)
    assert trace.groups.dtype == torch.int64
    for sizes, groups in zip(trace.sizes, trace.groups, strict=True):
        assert groups.min() >= 0
        assert torch.equal(groups.bincount(minlength=last).float(), sizes)  # so each final token has a member
    protected = torch.arange(case.family.protected)
    assert torch.equal(trace.groups[:, : len(protected)], protected.expand(batch, -1))
    assert (trace.sizes[:, : len(protected)] == 1).all()
    assert trace.grid == case.family.grid
    assert trace.protected == case.family.protected
