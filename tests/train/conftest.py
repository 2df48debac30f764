"""What every training gets: garbage is collected among what it made itself."""

from __future__ import annotations

import gc

import pytest


@pytest.fixture(scope="session", autouse=True)
def libraries_are_no_garbage() -> None:
    """The Trainer collects garbage when it starts and when it ends: three quarters of the time of a small training."""
    gc.freeze()
