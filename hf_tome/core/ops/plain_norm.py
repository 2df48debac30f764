"""Which norms are plain LayerNorms, so that a kernel computes what calling the module would."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

FORWARD = nn.LayerNorm.forward


def is_plain(norm: Any, x: Tensor) -> bool:
    """Whether `norm` is a plain `nn.LayerNorm` over the features of x.

    Not so for a subclass, with another forward, with a hook on it or on all modules, and under autocast, which would
    norm in float32.
    """
    if type(norm) is not nn.LayerNorm or getattr(norm.forward, "__func__", None) is not FORWARD:
        return False
    hooks = norm._forward_hooks or norm._forward_pre_hooks or norm._backward_hooks or norm._backward_pre_hooks
    if hooks or _has_any_global_hook() or torch.is_autocast_enabled(x.device.type):
        return False
    affine = (each for each in (norm.weight, norm.bias) if each is not None)
    like = x.dtype, x.device
    return tuple(norm.normalized_shape) == x.shape[2:] and all((each.dtype, each.device) == like for each in affine)
