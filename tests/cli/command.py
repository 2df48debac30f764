"""The command line as a real process."""

import os
import subprocess
import sys
from pathlib import Path

ENVIRONMENT = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}


def hf_tome(*arguments: str, cwd: Path, code: int = 0) -> str:
    """Run the command; its output, with stderr, on one line."""
    command = [sys.executable, "-m", "hf_tome", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + " ".join(done.stderr.split())
