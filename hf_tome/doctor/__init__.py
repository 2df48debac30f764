"""What `hf-tome doctor` knows: checks of the environment, each with its cure.

Only the standard library is imported here. The doctor must run where torch, transformers or torchaudio cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hf_tome.doctor.finding import Finding, Status
from hf_tome.doctor.packages import (
    EXTRAS,
    check_extra,
    check_required,
    check_torch,
    check_torchcodec,
    check_torchvision,
    check_transformers,
    check_triton,
)
from hf_tome.doctor.system import check_compiler, check_ffmpeg, check_python
from hf_tome.doctor.torchaudio import check_torchaudio

__all__ = ["CHECKS", "Finding", "Status", "diagnose"]

CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python,
    check_torch,
    check_transformers,
    partial(check_required, "numpy", "numpy"),
    partial(check_required, "pillow", "PIL"),
    check_torchaudio,
    check_torchvision,
    check_torchcodec,
    check_ffmpeg,
    check_compiler,
    check_triton,
    *(partial(check_extra, *extra) for extra in EXTRAS),
)


def diagnose() -> Iterator[Finding]:
    """One finding a check, in the order of `CHECKS`, each as soon as it and those before it are known."""
    with ThreadPoolExecutor(max_workers=2) as pool:  # the checks wait for child processes; two keep a laptop usable
        yield from pool.map(lambda check: check(), CHECKS)
