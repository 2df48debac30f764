"""`hf-tome families`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hf_tome import ToMeError
from hf_tome.cli.commands import app
from hf_tome.families import FAMILIES, REFUSED, Family


def run(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["families", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_list_fits_80_columns_and_names_all() -> None:
    out = run()
    assert max(map(len, out.splitlines())) <= 80
    names = [*(family.model_type for family in FAMILIES), *REFUSED]
    assert [name for name in names if name not in out] == []
    assert "…" not in out


def test_one_family_is_told_in_full() -> None:
    out = run("siglip2")
    for fact in ("Siglip2VisionModel", "encoder.layers", "clip_block", "pixel_attention_mask", "PoolingHead"):
        assert fact in out


def test_what_is_approximate_and_what_was_measured() -> None:
    assert "mean of its members" in " ".join(run("dinov3_vit").split())
    assert "r=(120, -1.0)" in run("whisper")
    assert "nothing but the merge" in run("clip")


@pytest.mark.parametrize("family", [each for each in FAMILIES if each.advice], ids=lambda each: each.model_type)
def test_figures_stand_in_the_results(family: Family) -> None:
    page = re.search(r"docs/[\w/]+\.md", family.advice)
    assert page is not None
    text = (Path(__file__).parents[2] / page[0]).read_text()
    figures = re.findall(r"\d+\.\d+[x%]", family.advice)
    assert figures
    assert [figure for figure in figures if figure not in text] == []


def test_a_refused_family_and_an_unknown_one() -> None:
    with pytest.raises(ToMeError, match="windowed"):
        run("swin")
    with pytest.raises(ToMeError, match="adding-a-family"):
        run("bert")


def test_a_model_around_others_is_told_by_these() -> None:
    assert "merged as clip" in run("llava")
    assert "merged as qwen2_vl_vision" in run("qwen2_vl")
    assert "windows" in run("qwen2_5_vl")
    assert "video_config: pe_video_encoder, merged as pe_video_encoder" in run("pe_audio_video")
    assert "CLIPVisionModel" in run("clip_vision_model")
