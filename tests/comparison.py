"""Outputs of models, compared to the last bit or by their largest difference."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def tensors_of(output: Any) -> list[Tensor]:
    """All tensors of a model's output, in order: of a ModelOutput, a tuple, or tuples inside."""
    if isinstance(output, Tensor):
        return [output]
    if output is None:
        return []
    parts = output.to_tuple() if hasattr(output, "to_tuple") else output
    return [tensor for part in parts for tensor in tensors_of(part)]


def assert_same(first: Any, second: Any) -> None:
    """The same tensors to the last bit (NaN equals NaN)."""
    ours, theirs = tensors_of(first), tensors_of(second)
    assert len(ours) == len(theirs) > 0
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)


def apart(first: Any, second: Any) -> float:
    """The largest difference between two outputs."""
    pairs = zip(tensors_of(first), tensors_of(second), strict=True)
    return max((a.double() - b.double()).abs().max().item() for a, b in pairs)


def shapes(values: Any) -> Any:
    if isinstance(values, tuple | list):
        return [shapes(value) for value in values]
    return values if values is None else tuple(values.shape)
