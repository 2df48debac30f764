"""The example scripts, called in this process as from a shell, or in one of their own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def module_of(script: str) -> Any:
    """The script as a module, afresh."""
    if str(EXAMPLES) not in sys.path:
        sys.path.insert(0, str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(Path(script).stem, EXAMPLES / script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def call(script: str, place: Path, *options: str) -> Any:
    """Run the script's `main` in the folder `place`. Gives the script as a module.

    Raises:
        SystemExit: as the script ends.
    """
    module = module_of(script)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(sys, "argv", [script, *options])
        if script.startswith("finetune"):
            module.script(Path(script).stem, module.main)
        else:
            module.main()
    return module


def launch(script: str, place: Path, *options: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    """Run the script in a process of its own, under torchrun if in several."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "--"]
    command = [sys.executable, *(torchrun if processes > 1 else []), str(EXAMPLES / script), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLES.parent)}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=250)
