"""The operations of a merge as Triton kernels. Placeholder: see fused."""

from __future__ import annotations

from torch import Tensor

from hf_tome.core.ops import fused, reference
from hf_tome.core.ops.reference import follow

__all__ = ["decide", "follow", "merge", "share", "takes"]
takes, share, merge = fused.fits, fused.share, fused.merge


def decide(metric: Tensor, sizes: Tensor | None, padding: bool, r: int, protected: int) -> tuple[Tensor, ...]:
    """See `ops.decide`."""
    if metric.shape[3] > fused.WIDEST_METRIC:
        return reference.decide(metric, sizes, padding, r, protected)
    batch, _, tokens, _ = metric.shape
    sizes = metric.new_ones(batch, tokens, dtype=__import__("torch").float32) if sizes is None else sizes
    plan = fused.match(metric.mean(dim=1), r, protected, sizes == 0 if padding else None)
    return (*plan, *fused.share(sizes, *plan))
