"""What the kernels of this folder run on: a GPU, or Triton's interpreter, where there is triton at all (on Linux)."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import torch

HAS_TRITON = find_spec("triton") is not None
if not HAS_TRITON:
    collect_ignore_glob = ["test_[!c]*.py"]  # all but the channels of attention


@pytest.fixture(scope="session", autouse=True)
def bf16_in_the_interpreter() -> Iterator[None]:
    """The interpreter takes the bits of bf16 matrices for integers. Here it multiplies them in float32."""
    with pytest.MonkeyPatch.context() as patch:
        if HAS_TRITON and not torch.cuda.is_available():
            from triton.language import bfloat16, float32
            from triton.runtime.interpreter import InterpreterBuilder

            dot = InterpreterBuilder.create_dot

            def create_dot(self: Any, a: Any, b: Any, *rest: Any) -> Any:
                if a.dtype.scalar == bfloat16:
                    a, b = self.cast_impl(a, float32), self.cast_impl(b, float32)
                return dot(self, a, b, *rest)

            patch.setattr(InterpreterBuilder, "create_dot", create_dot)
        yield
