"""What every test gets: one thread, one seed, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported, which reads it once
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are imported: without a GPU they run in the interpreter

from hf_tome.state import LOCAL


@pytest.fixture(autouse=True)
def deterministic() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_state_left() -> Iterator[None]:
    """Whatever a test does, a forward leaves nothing behind in its thread."""
    yield
    left = LOCAL.forward, LOCAL.frame
    LOCAL.forward = LOCAL.frame = None  # one failure is enough
    assert left == (None, None)
