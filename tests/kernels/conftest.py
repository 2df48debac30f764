"""What compiles Triton's kernels needs triton, which there is for Linux alone."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("triton") is None:
    collect_ignore = ["test_machine_code.py", "test_models.py", "test_operators.py"]
