"""The final group of each original token after all merges, in one launch: one program per sample."""

# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false

from __future__ import annotations

from collections.abc import Sequence

import triton
import triton.language as tl
from torch import Tensor

BLOCK = 256
WARPS = 8


@triton.jit(do_not_specialize=["rs", "tokens", "count"])
def _compose(leaders, joiners, targets, rs, spare, out, tokens, count, LAST: tl.constexpr, BLOCK: tl.constexpr):
    """One program: one sample. From the last merge to the first, tokens inherit the final group of their group.

    Each merge reads the final groups of its groups from one half of `spare`, and writes its tokens' to the other.
    """
    sample = tl.program_id(0).to(tl.int64)
    spare += sample * 2 * tokens
    groups = count
    for step in tl.static_range(LAST + 1):  # Triton takes elements of a tuple by such a number alone
        r = rs[step]
        before, after = spare + (step % 2) * tokens, spare + (1 - step % 2) * tokens
        if step == LAST:
            after = out + sample * tokens
        for start in range(0, groups + r, BLOCK):
            item = start + tl.arange(0, BLOCK)
            joiner = item - groups
            leads, joins = item < groups, (joiner >= 0) & (joiner < r)
            token = tl.load(leaders[step] + sample * groups + item, mask=leads, other=0)
            token += tl.load(joiners[step] + sample * r + joiner, mask=joins, other=0)
            group = tl.where(leads, item, tl.load(targets[step] + sample * r + joiner, mask=joins, other=0))
            if step > 0:
                group = tl.load(before + group, mask=leads | joins, other=0)
            tl.store(after + token, group.to(after.dtype.element_ty), mask=leads | joins)
        tl.debug_barrier()
        groups += r


def compose(leaders: Sequence[Tensor], joiners: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """See `ops.compose`."""
    (batch, groups), rs = leaders[0].shape, tuple(each.shape[1] for each in joiners)
    tokens = groups + rs[0]
    spare, out = leaders[0].new_empty(batch, 2, tokens), leaders[0].new_empty(batch, tokens)
    _compose[(batch,)](
        tuple(leaders[::-1]), tuple(joiners[::-1]), tuple(targets[::-1]), rs[::-1], spare, out, tokens,
        leaders[-1].shape[1], LAST=len(rs) - 1, BLOCK=BLOCK, num_warps=WARPS,
    )  # fmt: skip
    return out
