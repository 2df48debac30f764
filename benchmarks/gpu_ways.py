"""Ways to the same result on a GPU, at the shapes of a case's second layer: which of them is the fastest?

Token sizes in the attention, the steps between attention and MLP, the decision, and the way back to all positions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import pad
from torch.nn.functional import scaled_dot_product_attention as attend

from benchmarks.sizes_in_values import WIDTH, divided, with_sizes
from benchmarks.speed_cases import Case
from hf_tome.core import ops
from hf_tome.core.channels import with_bias
from hf_tome.core.ops import gpu, reference
from hf_tome.core.schedule import Schedule

Way = Callable[[], Any]


def ways_of(case: Case, config: Any, tokens: int, protected: int, device: str) -> Iterator[tuple[str, str, Way]]:
    """Each as (part, way, call).

    Args:
        case: what it is of.
        config: the model's.
        tokens: that enter the model.
        protected: at the front.
        device: "cpu" where dry; then flex attention is left out, which is compiled, and flash is what torch has.
    """
    dtype, (r,) = getattr(torch, case.dtype), case.rs
    heads, features, left = config.num_attention_heads, config.hidden_size, tokens - r
    counts = Schedule.parse(r).counts(tokens, config.num_hidden_layers, protected)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, dtype=dtype)

    metric = randn(case.batch, heads, tokens, features // heads)
    *_, sizes, _, logs = gpu.decide(metric, None, False, r, protected)
    query, key, value = (randn(case.batch, left, heads, features // heads).transpose(1, 2) for _ in range(3))
    for way, call in attention_ways(query, key, value, sizes, logs, device):
        yield "attention", way, call
    again = metric[:, :, :left], sizes, False, r, protected
    *plan, _, shares, _ = gpu.decide(*again)
    for way, call in merge_ways(randn(case.batch, left, features), randn(case.batch, left, features), plan, shares):
        yield "add, merge, norm", way, call
    yield "decide", "one launch", lambda: gpu.decide(*again)
    yield "decide", "several launches", lambda: in_several_launches(again)
    yield "decide", "torch", lambda: reference.decide(*again)
    plans = [
        gpu.decide(randn(case.batch, 1, before, 16), None, False, before - after, protected)[:3]
        for before, after in pairwise(counts)
        if after < before
    ]
    parts = [list(part) for part in zip(*plans, strict=True)]
    yield "restore", "one launch", lambda: gpu.compose(*parts)
    yield "restore", "torch", lambda: reference.compose(*parts)


def attention_ways(
    query: Tensor, key: Tensor, value: Tensor, sizes: Tensor, logs: Tensor, device: str
) -> Iterator[tuple[str, Way]]:
    """Attention without token sizes, and with them in each way that is exact."""
    scale = query.shape[-1] ** -0.5

    def flash() -> AbstractContextManager:
        return nullcontext() if device == "cpu" else sdpa_kernel(SDPBackend.FLASH_ATTENTION)

    def plain() -> Tensor:
        with flash():
            return attend(query, key, value)

    def channels() -> Tensor:
        with flash():
            return attend(*with_bias(query, key, value, sizes.log(), scale), scale=scale)[..., : value.shape[-1]]

    def values() -> Tensor:
        with flash():
            wide = (pad(each, (0, WIDTH)) for each in (query, key))
            return divided(attend(*wide, with_sizes(value, sizes), scale=scale))

    yield "flash, no sizes", plain
    yield "mask", lambda: attend(query, key, value, logs)
    yield "flash, channels of queries and keys", channels
    yield "flash, a channel of values", values
    if device != "cpu":
        from hf_tome.engine.flex import flex_attention

        module = nn.Module().eval()
        yield "flex", lambda: flex_attention(module, query, key, value, sizes.log(), scale)


def merge_ways(x: Tensor, residual: Tensor, plan: list[Tensor], shares: Tensor) -> Iterator[tuple[str, Way]]:
    """The steps between attention and MLP, in fewer and fewer launches."""
    norm = nn.LayerNorm(x.shape[-1], device=x.device, dtype=x.dtype)
    yield "three launches", lambda: norm(gpu.merge(x + residual, *plan, shares))
    yield "two launches", lambda: norm(gpu.merge(x, *plan, shares, residual))
    yield "one launch", lambda: ops.merge_norm(x, *plan, shares, residual, norm)


def in_several_launches(given: tuple[Any, ...]) -> Any:
    from hf_tome.core.ops.kernels import decide

    with patch.object(decide, "MOST_TOKENS", 0):
        return gpu.decide(*given)
