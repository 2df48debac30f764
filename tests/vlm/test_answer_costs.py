"""`measure_vlm` and `hf-tome bench --vlm`: what is counted, against loops over tokens and layers."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner
from vlms import VLMS, batch_of

from hf_tome import ToMeError, apply_tome, trace_tome
from hf_tome.cli.commands import app
from hf_tome.core.macs import decoder_macs
from hf_tome.measure.vlm import measure_vlm

VLM = VLMS[0]
NEW = 32


def run(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "80"}).invoke(app, ["bench", "--vlm", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_rows() -> None:
    model, visual = VLM.model(), VLM.visual()
    inputs = {"pixel_values": visual["pixel_values"][:1], **batch_of([[1, *[3] * 16, 9, 10]], None)}
    rows = measure_vlm(model, inputs, (1.0, 0.25), 3, rounds=2)
    assert [(row.r, row.keep, row.prompt) for row in rows] == [
        (None, 1.0, 19),
        (None, 0.25, 7),
        (3, 1.0, 19),
        (3, 0.25, 7),
    ]
    for row in rows:
        assert row.cache_bytes == row.prompt * 2 * 2 * (2 * 8) * 4  # layers, keys and values, channels, bytes
        assert row.macs == tower(row.token_counts) + answer(row.prompt)
        assert row.mac_ratio == rows[0].macs / row.macs
        assert [len(each) for each in (row.tower, row.first, row.rest, row.seconds, row.speedups)] == [2] * 5
    assert rows[0].token_counts == [17] * 4
    with trace_tome(apply_tome(model, r=3)) as trace:
        model(**inputs)
    assert rows[3].token_counts == trace.token_counts


def tower(counts: list[int]) -> int:
    width, inner = 24, 32
    layers = pairwise(counts)
    return sum(4 * n * width**2 + 2 * n**2 * width + 2 * after * width * inner for n, after in layers)


def answer(prompt: int) -> int:
    width, inner, vocabulary = 32, 48, 40
    weights = 2 * (2 * width**2 + 2 * width * 16 + 3 * width * inner)  # grouped keys and values; a gated MLP
    seen = sum(2 * place * 2 * width for place in range(1, prompt + NEW + 1))
    return (prompt + NEW) * weights + (1 + NEW) * width * vocabulary + seen


def test_a_language_model_by_hand() -> None:
    assert decoder_macs(1, 0, weights=10, head=3, width=5) == 10 + 3 + 2 * 5
    assert decoder_macs(2, 1, weights=10, head=3, width=5) == 30 + 6 + 2 * 5 * (1 + 2 + 3)


def test_command(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    out = run("tiny", "--keep", "1,0.5", "--r", "4", "--rounds", "1", "--json", str(file))
    for word in ("tiny", "first", "32 more", "speed-up", "cache", "off"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 80
    assert [(row["r"], row["keep"]) for row in json.loads(file.read_text())] == [
        (None, 1),
        (None, 0.5),
        (4, 1),
        (4, 0.5),
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["llava-2"], "qwen2-vl-2b"),
        (["tiny", "--keep", "half"], "0.5,0.25"),
        (["tiny", "--keep", "0"], "keep is a share"),
        (["tiny", "--depth", "2"], "share of the layers"),
        (["tiny", "--train"], "--train"),
        (["tiny", "--r", "2,4"], "one run"),
        (["tiny", "--json", "no/such/rows.json"], "must be writable"),
    ],
)
def test_refusals(arguments: list[str], words: str) -> None:
    with pytest.raises(ToMeError, match=words):
        run(*arguments)
