"""Whether torch is recording a graph that will run without this package."""

from __future__ import annotations

import torch
from torch._C import _get_tracing_state


def exporting() -> bool:
    """Whether this is part of `torch.export`, of what is built on it, or of `torch.jit.trace`."""
    return _in_torch_export() if torch.compiler.is_compiling() else tracing()


def tracing() -> bool:
    """Whether `torch.jit.trace` is running. Dynamo cannot trace this query, so it is not made while Dynamo compiles."""
    return not torch.compiler.is_compiling() and _get_tracing_state() is not None


def _in_torch_export() -> bool:
    """Up to torch 2.11, `is_exporting` is true in `torch.compile` too, where the private flag is false."""
    if not hasattr(torch.compiler, "is_exporting"):  # torch before `is_exporting`
        return False
    return torch.compiler.is_exporting() and getattr(torch.compiler, "_is_exporting_flag", True)
