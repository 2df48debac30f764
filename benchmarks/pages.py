"""Tables for README and docs: written between markers, so that a command regenerates every number."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).parent.parent


def machine(device: str = "cpu") -> str:
    """Where and with what the numbers were measured."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    if device == "cuda":
        card = torch.cuda.get_device_properties(0)
        return f"{card.name}, {card.total_memory >> 30} GiB; {versions}, CUDA {torch.version.cuda}."
    names = re.findall(r"^model name\s*: (.+)$", cpuinfo(), re.MULTILINE)
    chip = names[0] if names else platform.processor() or platform.machine()
    cores = os.cpu_count()
    return f"{chip}, {cores} cores, {torch.get_num_threads()} threads, float32; {versions}."


def cpuinfo() -> str:
    """What Linux says of the processor; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""


def write_block(file: Path, name: str, text: str) -> None:
    """Replace what stands between `<!-- name:begin -->` and `<!-- name:end -->` in a file."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    page = file.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"{file} must hold the lines {begin} and {end} once each.")
    head, rest = page.split(begin)
    file.write_text(f"{head}{begin}\n{text}\n{end}{rest.split(end)[1]}")
