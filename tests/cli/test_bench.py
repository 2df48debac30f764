"""`hf-tome bench` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Run
from PIL import Image

from hf_tome.data.embedded import VIT


def test_table_file_and_plot(run: Run, tmp_path: Path) -> None:
    options = ["--r", "4,(8, -1.0)", "--batch", "1", "--rounds", "1", "--json", "rows.json", "--plot", "speed.png"]
    out = run("bench", "--model", VIT, *options)
    for word in ("speed-up", "MAC ratio", "score", "off", "(8, -1.0)", "Plot: speed.png"):
        assert word in out
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["r"] for row in rows] == [None, 4, [8, -1.0]]
    assert Image.open(tmp_path / "speed.png").size[0] > 500


@pytest.mark.slow
def test_training(run: Run) -> None:
    assert "MiB" in run("bench", "--model", VIT, "--train", "--r", "16", "--batch", "2", "--rounds", "1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "vit-tiny", "--plot", "speed.svg"], ["vit-base", "vit-tiny"]),
        (["--config", "vit-base", "--model", "x"], ["one of them"]),
        (["--r", "many"], ["as in Python", "many"]),
        (["--model", VIT, "--device", "toaster"], ["device", "toaster"]),
        (["--config", "vit-small", "--attn", "toaster"], ["--attn", "toaster"]),
        (["--plot", "speed.txt"], [".png", "speed.txt"]),
        (["--json", "no/such/rows.json"], ["must be writable", "no/such"]),
    ],
)
def test_refusals(arguments: list[str], words: list[str], run: Run) -> None:
    out = run("bench", *arguments, code=2)
    assert all(word in out for word in words), out
