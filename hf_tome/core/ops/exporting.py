"""Whether torch records a graph that will run without it, or without this package."""

from __future__ import annotations

import torch
from torch._C import _get_tracing_state


def exporting() -> bool:
    """Whether this is part of `torch.export`, of what is built on it, or of `torch.jit.trace`."""
    return _in_torch_export() if torch.compiler.is_compiling() else tracing()


def tracing() -> bool:
    """Whether `torch.jit.trace` is at work. Dynamo, which cannot trace this question, is not asked."""
    return not torch.compiler.is_compiling() and _get_tracing_state() is not None


def _in_torch_export() -> bool:
    """Torch up to 2.11 says so in every compile, too; its flag says so in none."""
    if not hasattr(torch.compiler, "is_exporting"):  # older torch cannot tell
        return False
    return torch.compiler.is_exporting() and getattr(torch.compiler, "_is_exporting_flag", True)
