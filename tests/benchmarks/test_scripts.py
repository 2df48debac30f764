"""Every script of benchmarks/ fits the package as it is."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import benchmarks

ROOT = Path(benchmarks.__file__).parent


def test_every_script_can_be_imported() -> None:
    """Whatever it needs to run, its imports name what is there."""
    for path in sorted(ROOT.rglob("*.py")):
        import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))
