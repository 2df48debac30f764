"""Multiply-adds of an encoder with merging, counted while it runs; the formula is `core.macs`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from transformers.modeling_layers import GradientCheckpointingLayer


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
