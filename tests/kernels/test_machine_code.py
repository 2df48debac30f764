"""The kernels compile for GPUs and stay on the chip. Triton brings the compiler, which needs no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("compile_all.py")
MOST_STACK = 512  # bytes of a thread; what spills goes through memory
MOST_SHARED = 99 * 1024  # bytes of a block of threads: what consumer cards have


def compile_all(*args: str, cache: Path) -> int:
    """The number of kernels compiled, in a process of its own: in this one they are interpreted."""
    command = [sys.executable, str(PROGRAM), *args]
    env = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(cache)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:]]
    assert [row for row in rows if int(row[1]) > MOST_STACK or int(row[2]) > MOST_SHARED] == []
    return len(rows)


@pytest.mark.slow  # compiles for a minute on a busy machine
def test_the_scores_stay_on_the_chip(tmp_path: Path) -> None:
    assert compile_all("90", "propose", cache=tmp_path) == 3 * 3  # dtypes and widths


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["80", "90"])
def test_all_kernels_compile(capability: str, tmp_path: Path) -> None:
    assert compile_all(capability, cache=tmp_path) == 3 * (4 + 4 + 5 + 4 + 1) + 6
