"""The snippets of docs/deploy.md, one after the other in an empty folder, in a process of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"


@pytest.mark.slow
def test_snippets_run(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="ONNX needs the extra [export]")
    absent = [name for name in ("openvino",) if find_spec(name) is None] + (["aoti"] if which("g++") is None else [])
    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    runnable = [snippet for snippet in snippets if not any(name in snippet for name in absent)]
    assert len(runnable) > 4
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(runnable)],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "True"  # the pipeline merges
