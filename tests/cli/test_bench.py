"""`hf-tome bench` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import hf_tome
from PIL import Image

from hf_tome.data.embedded import VIT


def test_table_file_and_plot(tmp_path: Path) -> None:
    options = ["--r", "4,16", "--batch", "2", "--rounds", "2", "--json", "rows.json", "--plot", "speed.png"]
    out = hf_tome("bench", "--model", str(VIT), *options, cwd=tmp_path)
    for word in ("speed-up", "MAC ratio", "score", "off", "16", "Plot: speed.png"):
        assert word in out
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["r"] for row in rows] == [None, 4, 16]
    assert Image.open(tmp_path / "speed.png").size[0] > 500


@pytest.mark.slow
def test_training(tmp_path: Path) -> None:
    arguments = ["--model", str(VIT), "--train", "--r", "16", "--batch", "2", "--rounds", "1"]
    assert "MiB" in hf_tome("bench", *arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "vit-tiny", "--plot", "speed.svg"], ["vit-base", "vit-tiny"]),
        (["--config", "vit-base", "--model", "x"], ["one of them"]),
        (["--r", "many"], ["integers", "many"]),
        (["--model", str(VIT), "--device", "toaster"], ["device", "toaster"]),
        (["--plot", "speed.txt"], [".png", "speed.txt"]),
    ],
)
def test_refusals(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    out = hf_tome("bench", *arguments, cwd=tmp_path, code=2)
    assert all(word in out for word in words)
