"""Multiply-adds of an encoder with merging. The formula reproduces every "gflops" of the paper's tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from transformers.modeling_layers import GradientCheckpointingLayer


def encoder_macs(token_counts: Sequence[int], hidden: int, intermediate: int) -> int:
    """Multiply-adds of all layers for one input.

    A layer with n tokens before its merge and n' after it costs n (4 d^2 + 2 n d) + n' 2 d d_ff: projections and
    attention before the merge, MLP after it.

    Args:
        token_counts: [n_0, ..., n_L] as `trace.token_counts`.
        hidden: width d.
        intermediate: width of the MLP, d_ff.
    """
    return sum(
        n * (4 * hidden**2 + 2 * n * hidden) + after * 2 * hidden * intermediate for n, after in pairwise(token_counts)
    )


def mac_ratio(token_counts: Sequence[int], hidden: int, intermediate: int) -> float:
    """How many times fewer multiply-adds than without merging: the limit of the speed-up."""
    unmerged = [token_counts[0]] * len(token_counts)
    return encoder_macs(unmerged, hidden, intermediate) / encoder_macs(token_counts, hidden, intermediate)


def counted_macs(model: nn.Module, inputs: dict[str, Tensor]) -> int:
    """Multiply-adds of all layers in one forward, as torch counts them while it runs; the matching's own included.

    `encoder_macs` times the batch size gives the same within 1 %. Patch embedding and head are in neither.
    """
    cpu_kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # torch counts nothing for this one
    counter = FlopCounterMode(display=False, custom_mapping={cpu_kernel: _attention_flops})
    with torch.inference_mode(), counter:
        model(**inputs)
    layers = {name for name, module in model.named_modules() if isinstance(module, GradientCheckpointingLayer)}
    counts = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    return sum(counts[name] for name in layers) // 2


def _attention_flops(query: Any, key: Any, value: Any, *args: Any, out_shape: Any = None, **kwargs: Any) -> int:
    return sdpa_flop_count(query, key, value)
