"""What every test gets: one thread, one seed, no network."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported, which reads it once
os.environ["TRANSFORMERS_VERBOSITY"] = "error"

import pytest
import torch

if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"  # before the kernels are imported: without a GPU they run in the interpreter

from hf_tome.engine.state import LOCAL


@pytest.fixture(scope="session", autouse=True)
def libraries_are_no_garbage() -> None:
    """The Trainer, and torch when it compiles, collect garbage: they need not walk all that the imports have made."""
    gc.freeze()


@pytest.fixture(autouse=True)
def deterministic() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_state_left() -> Iterator[None]:
    """Whatever a test does, a forward leaves nothing behind in its thread."""
    yield
    left = LOCAL.now.forward, LOCAL.now.record
    LOCAL.now.forward = LOCAL.now.record = None  # one failure is enough
    assert left == (None, None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium as it is installed: it asks nobody for anything but the pages that a test opens."""
    playwright = pytest.importorskip("playwright.sync_api", reason="tests of pages need playwright")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("tests of pages need chromium (apt-get install chromium)")
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with playwright.sync_playwright() as made:
        started = made.chromium.launch(executable_path=chromium, args=quiet)
        yield started
        started.close()
