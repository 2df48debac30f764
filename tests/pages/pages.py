"""The pages for readers, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks_of(page: str, language: str) -> list[str]:
    """The fenced blocks in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), re.DOTALL | re.MULTILINE)


def extras_of(page: str) -> set[str]:
    """The extras that a page tells to install, beside those that hold others."""
    named = re.findall(r'"(?:hf_tome|\.)\[([\w,]+)\]"', text_of(page))
    return {extra for names in named for extra in names.split(",")} - {"all", "dev"}
