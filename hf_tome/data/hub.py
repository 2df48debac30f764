"""Names of models and data sets: folders, or on the hub. A wrong name is an error at once, without a search."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.utils import get_session

NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(:\w[\w.-]*)?")  # a data set may have several configurations
SECONDS = 5  # that the hub has to answer
OFFLINE, DATASETS = "HF_HUB_OFFLINE", "datasets.config"


def may_be_on_hub(name: str) -> bool:
    """Whether a name that is no folder can be one of the hub, and is no mistyped path: no part of it is there."""
    return (
        NAME.fullmatch(name) is not None
        and not Path(name).is_file()
        and not ("/" in name and Path(name).parent.is_dir())
    )


@cache
def answers() -> bool:
    """Whether the hub can be reached. It is asked once: its libraries would try for a minute, for each file."""
    try:
        get_session().head(constants.ENDPOINT, timeout=SECONDS)
    except Exception:  # the library for HTTP depends on the version
        return False
    return True


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Inside this block, which reads a folder or asks the hub, the cache alone is used if the hub cannot be reached."""
    settings = [vars(constants), *([vars(sys.modules[DATASETS])] if DATASETS in sys.modules else [])]
    before = [each[OFFLINE] for each in settings]
    offline = any(before) or not (Path(name).exists() or answers())
    try:
        for each in settings:
            each[OFFLINE] = offline
        yield
    finally:
        for each, value in zip(settings, before, strict=True):
            each[OFFLINE] = value
