"""What all commands have in common: help, version, errors, and the options that several share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from command import Run, hf_tome

import hf_tome as package
from hf_tome import ToMeError
from hf_tome.data.embedded import VIT, embedded_images
from hf_tome.measure.variants import read_one_r, read_r


def test_families_as_a_process(tmp_path: Path) -> None:
    out = hf_tome("families", cwd=tmp_path)
    for name in ("vit", "deit", "videomae", "audio-spectrogram-transformer", "swin"):
        assert name in out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ("speed-up", ["bench", "--model", VIT, "--r", "16", "--batch", "1", "--rounds", "1"]),
        ("69 of 197", ["demo", "--limit", "2", "--r", "16"]),
        ("197 tokens", ["show", "boot.png"]),
    ],
    ids=["bench", "demo", "show"],
)
def test_other_commands_as_processes(words: str, arguments: list[str], tmp_path: Path) -> None:
    """eval, tune and app run as processes in their own tests."""
    embedded_images()[0][0].save(tmp_path / "boot.png")
    assert words in hf_tome(*arguments, cwd=tmp_path)


def test_help_and_version(run: Run) -> None:
    out = run("--help")
    assert all(command in out for command in ("demo", "show", "app", "eval", "bench", "tune", "families", "doctor"))
    assert run("--version") == f"hf-tome {package.__version__}\n"


@pytest.mark.parametrize(
    ("texts", "runs"),
    [
        (["8,16"], [8, 16]),
        (["8", "16"], [8, 16]),
        (["[8,16]"], [[8, 16]]),
        (["0.1, (16, -1.0)", "[12, 0]"], [0.1, (16, -1.0), [12, 0]]),
    ],
)
def test_r_is_read_by_one_rule(texts: list[str], runs: list[Any]) -> None:
    assert read_r(texts) == runs


@pytest.mark.parametrize(
    "text", ["", "many", "8,", "-3", "1.5", "[8,", "8 16", "{[]: 1}", "(1, 2, 3)", "None", "[" * 999]
)
def test_what_is_no_r_is_refused(text: str) -> None:
    if text == "8,":
        assert read_r([text]) == [8]  # as in Python
        return
    with pytest.raises(ToMeError):
        read_r([text])


def test_one_run_is_one() -> None:
    assert read_one_r("[8, 16]") == [8, 16]
    with pytest.raises(ToMeError, match=r"makes one run. Got: --r 8,16. .*'\[8,16\]'"):
        read_one_r("8,16")
