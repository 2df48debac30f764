"""The command line as a real process, once for each command. All else runs in the test's process: fixture `run`."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Protocol

ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}


class Run(Protocol):
    """The fixture `run`: a command in the test's process, which must end with this exit code; gives its output."""

    def __call__(self, *arguments: str, code: int = 0) -> str: ...


def hf_tome(*arguments: str, cwd: Path, code: int = 0) -> str:
    """Run the command; its output, with stderr on one line."""
    command = [sys.executable, "-m", "hf_tome", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=ENVIRONMENT, timeout=280)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + " ".join(done.stderr.split())
