"""The kernels compile for GPUs, on any machine: Triton brings the compiler, and asks for no GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("compile_all.py")


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
def test_all_kernels_compile(capability: int, tmp_path: Path) -> None:
    """In a process of its own: in this one the kernels are interpreted."""
    command = [sys.executable, str(PROGRAM), str(capability)]
    done = subprocess.run(command, env={"TRITON_CACHE_DIR": str(tmp_path)}, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2 * 16  # each variant with arguments that are 1, and without
