"""The table of README, from the results of other commands.

python -m benchmarks.readme
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.pages import ROOT, write_block
from benchmarks.speed_cases import DATA, NAMES
from hf_tome.measure.row import Row
from hf_tome.measure.table import markdown

HEADER = ("model", "r", "speed-up", "MAC ratio", "against the unmerged model")
FULL_SIZE = ("vit-base", "videomae-base", "ast-base", "vit-small")
IMAGE_R, VIT_R, WHISPER_R = 16, 16, ("r = (120, -1.0)", "decreasing/120")


def write_readme() -> None:
    """Trained models first, with what merging changes; then the speed of full-size ones."""
    write_block(ROOT / "README.md", "results", markdown(HEADER, [*trained(), *full_size()]))


def trained() -> list[tuple[str, ...]]:
    """Models that were trained without merging, on real data."""
    small, vit = rows("demo", "image"), rows("accuracy", "vit")
    off, row = small[0], next(row for row in small if row.r == IMAGE_R)
    other = next(row for row in vit if row.r == VIT_R and (row.settings or {})["prop_attn"])
    whisper, name = read("transcription"), WHISPER_R[0]
    speed, words = whisper["speed"]["rows"][name], whisper["transcription"]["rows"][WHISPER_R[1]]
    full = [group for kind, group in words["groups"].items() if kind.startswith("full/")]
    changed = sum(group["changed"] for group in full) / sum(group["heard"] for group in full)
    return [
        ("small ViT, Fashion-MNIST", *figures(row), f"accuracy {off.metric:.1%} to {row.metric:.1%}"),
        ("ViT-S/14, pretrained", *figures(other), f"{other.agreement:.1%} same prediction"),
        ("Whisper base, encoder", f"`{tuple(words['r'])}`", f"{speed['encoder']['median']:.2f}x",
         f"{speed['mac_ratio']:.2f}x", f"{changed:.1%} of the words change"),
    ]  # fmt: skip


def full_size() -> list[tuple[str, ...]]:
    """Models with random weights: their speed."""
    cases = {each["case"]["config"]: each for each in read("speed-cpu")["cases"] if measures_inference(each)}
    found = []
    for config in FULL_SIZE:
        row = next(Row(**row) for row in cases[config]["rows"] if row["name"] == "hf_tome")
        found.append((f"{NAMES[config]}, batch {row.batch}", *figures(row), "speed only"))
    return found


def measures_inference(each: dict[str, Any]) -> bool:
    return each["case"]["baseline"] and not each["case"]["train"]


def figures(row: Row) -> tuple[str, str, str]:
    return str(row.r), f"{row.speedup:.2f}x", f"{row.mac_ratio:.2f}x"


def rows(name: str, part: str) -> list[Row]:
    return [Row(**row) for row in read(name)[part]["rows"]]


def read(name: str) -> dict[str, Any]:
    return json.loads((DATA / f"{name}.json").read_text())


if __name__ == "__main__":
    write_readme()
