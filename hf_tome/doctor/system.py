"""What lies outside the Python packages: the interpreter, ffmpeg, a C++ compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from hf_tome.doctor.finding import Finding

OLDEST_PYTHON = (3, 10)


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Finding:
    """Finding for a Python version."""
    said = ".".join(map(str, version))
    if version[:2] >= OLDEST_PYTHON:
        return Finding("python", "ok", said)
    return Finding("python", "error", f"{said} is too old", "Make a virtual environment with Python 3.10 or newer.")


def check_ffmpeg() -> Finding:
    """ffmpeg is needed by torchcodec only, which loads its shared libraries."""
    program = shutil.which("ffmpeg")
    cure = "apt-get install ffmpeg (Debian, Ubuntu), brew install ffmpeg (macOS), conda install -c conda-forge ffmpeg"
    if program is None:
        return Finding("ffmpeg", "info", "not found on PATH; optional, needed by torchcodec only", cure)
    said = _first_line([program, "-version"])
    if said is None:
        return Finding("ffmpeg", "warning", f"{program} is there, but `ffmpeg -version` fails", cure)
    return Finding("ffmpeg", "ok", said.removeprefix("ffmpeg version ").split(" Copyright")[0])


def check_compiler() -> Finding:
    """torch.compile writes C++ for the CPU; it takes $CXX, else g++ (macOS: clang++, Windows: cl), and Python.h."""
    name, use = "C++ compiler", "optional, needed by torch.compile on a CPU only"
    usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    wanted = os.environ.get("CXX", usual)
    # cl has no --version and fails without a source file, so that being there must do.
    said = shutil.which(wanted) if sys.platform == "win32" else _first_line([wanted, "--version"])
    if said is None:
        cure = "apt-get install g++ (Debian), xcode-select --install (macOS), Visual Studio build tools (Windows)"
        if "CXX" in os.environ:
            cure = f"Let the environment variable CXX name a compiler, or unset it to use {usual}."
        return Finding(name, "info", f"`{wanted}` does not run; {use}", cure)
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        cure = "apt-get install python3-dev (Debian, Ubuntu), or a Python that brings its headers"
        return Finding(name, "info", f"{said}, but Python.h is missing; {use}", cure)
    return Finding(name, "ok", said)


def _first_line(command: list[str]) -> str | None:
    """First line that a program prints; None if it cannot be run, fails, or takes more than 10 s."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return next(iter(done.stdout.decode(errors="replace").splitlines()), "")
