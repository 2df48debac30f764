"""Whether torch records a graph that will run without torch, or without this package."""

from __future__ import annotations

import torch
from torch._C import _get_tracing_state


def exporting() -> bool:
    """Whether this is part of `torch.export`, of what is built on it, or of `torch.jit.trace`."""
    return _in_torch_export() if torch.compiler.is_compiling() else tracing()


def tracing() -> bool:
    """Whether `torch.jit.trace` is running. Not queried while Dynamo compiles, which cannot trace the query."""
    return not torch.compiler.is_compiling() and _get_tracing_state() is not None


def _in_torch_export() -> bool:
    """Up to 2.11, `is_exporting` is also true in `torch.compile`, where the private flag is false."""
    if not hasattr(torch.compiler, "is_exporting"):  # torch before `is_exporting`
        return False
    return torch.compiler.is_exporting() and getattr(torch.compiler, "_is_exporting_flag", True)
