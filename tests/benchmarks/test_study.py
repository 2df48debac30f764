"""A study against a plain loop and scipy; gone on with; without labels."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cases import SMALL_VIT
from PIL import Image
from scipy.stats import kendalltau
from transformers import ViTImageProcessorPil

from benchmarks.study.__main__ import main
from benchmarks.study.page import page, write
from benchmarks.study.run import study
from benchmarks.study.tables import NAMES
from hf_tome import ToMeConfig, ToMeValueError, UnsupportedAttentionError, apply_tome
from hf_tome.data.classifier import Classifier
from hf_tome.data.samples import Samples
from hf_tome.data.subject import Subject

COUNT, BATCH, R = 11, 4, 5


@pytest.fixture
def subject() -> Subject:
    chance = np.random.default_rng(0)
    side = SMALL_VIT.family.settings["image_size"]
    pictures = [Image.fromarray(chance.integers(0, 256, (side, side, 3), np.uint8)) for _ in range(COUNT)]
    samples = Samples("noise", "noise", None, "noise", pictures.__getitem__, np.arange(COUNT) % 5, COUNT)
    processor = ViTImageProcessorPil(size={"height": side, "width": side})
    return Subject("small", Classifier(SMALL_VIT.build(implementation="eager").eval(), processor, "image"), samples)


def run(subject: Subject, *only: str, **options: Any) -> Any:
    return study(subject, r=R, only=only, batch_size=BATCH, progress=False, **options)


def logits(subject: Subject, setting: ToMeConfig) -> np.ndarray:
    model = apply_tome(SMALL_VIT.build(implementation="eager").eval(), config=setting)
    pictures = [subject.samples.read(number) for number in range(COUNT)]
    with torch.no_grad():
        return model(**subject.classifier.inputs(pictures)).logits.double().numpy()


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_it_is_a_plain_loop(subject: Subject) -> None:
    found = run(subject, "distance")
    (table,) = found.tables
    plain_logits, default = logits(subject, ToMeConfig(0)), logits(subject, ToMeConfig(R))

    def drift(each: np.ndarray) -> np.ndarray:
        p, q = log_softmax(plain_logits), log_softmax(each)
        return (np.exp(p) * (p - q)).sum(-1)

    papers, drifts = [], []
    for choice, row in found.rows(table):
        each = logits(subject, choice.setting)
        right = each.argmax(-1) == subject.samples.labels
        assert row.metric == pytest.approx(right.mean(), abs=1e-12)
        assert row.change == pytest.approx(right.mean() - (default.argmax(-1) == subject.samples.labels).mean())
        assert row.kl == pytest.approx(drift(each).mean(), rel=1e-3)
        difference = drift(each) - drift(default)
        assert row.kl_change == pytest.approx(difference.mean(), rel=1e-3, abs=1e-9)
        low, high = row.kl_change_interval
        spread = 1.96 * difference.std() / COUNT**0.5  # what the bootstrap's error is for many draws
        assert high - low == pytest.approx(2 * spread, rel=0.2, abs=1e-9)
        assert row.mac_ratio == found.report.rows[1].mac_ratio > 1
        papers.append(choice.paper)
        drifts.append(drift(each).mean())
    right, pairs = found.order(table)
    assert (2 * right - pairs) / pairs == pytest.approx(-kendalltau(papers, drifts).statistic)

    by_name = {choice.name: row for choice, row in found.rows(table)}
    less, more, chance = (-1.0, (-2.0, -0.5)), (1.0, (0.5, 2.0)), (1.0, (-0.5, 2.0))
    for dot, sides in ((more, 2), (less, 1)):
        for name, change in {"euclidean": less, "dot": dot, "softmax": chance}.items():
            by_name[name].kl_change, by_name[name].kl_change_interval = change
        assert found.certain(table) == (sides, 2)  # more drift is as in the paper for dot, less for euclidean


def test_what_reads_attention_needs_eager_attention(subject: Subject) -> None:
    model: Any = subject.classifier.model
    model.set_attn_implementation("sdpa")
    with pytest.raises(UnsupportedAttentionError, match="eager"):
        run(subject, "matching")
    assert not hasattr(model.config, "tome")


def test_it_goes_on_where_it_was(subject: Subject, tmp_path: Path) -> None:
    read: list[int] = []
    counted = replace(subject.samples, read=lambda number: (read.append(number), subject.samples.read(number))[1])
    watched = replace(subject, samples=counted)
    first = run(watched, "heads", store=tmp_path / "store")
    read.clear()
    again = run(watched, "heads", store=tmp_path / "store")
    assert read == [0]  # for the size of its inputs
    assert page(again) == page(first)


def test_without_labels_the_drift_alone_is_told(subject: Subject, tmp_path: Path) -> None:
    write(run(replace(subject, samples=replace(subject.samples, labels=None)), "heads"), tmp_path)
    text = (tmp_path / "study.md").read_text()
    assert "|  | paper | drift | drift, change | speed-up |" in text
    assert "accuracy" not in text
    # the default has no change from itself
    assert re.search(r"^\| \*\*mean\*\* \| 84.25 \| [^|]+ \|  \| [^|]+ \|$", text, re.MULTILINE)
    assert re.search(r"^\| concat \| 84.32 \| [^|]+ \| [^|]+ to [^|]+ \|", text, re.MULTILINE)
    assert Image.open(tmp_path / "study.png").width > 1000


@pytest.mark.slow
def test_every_choice_runs_at_the_same_multiply_adds(subject: Subject, tmp_path: Path) -> None:
    write(run(subject, *NAMES), tmp_path)
    found = json.loads((tmp_path / "study.json").read_text())
    assert list(found["tables"]) == list(NAMES)
    assert found["rows"][0]["kl"] == 0
    ratios = [row["mac_ratio"] for table in found["tables"].values() for row in table.values()]
    assert all(ratio == pytest.approx(ratios[0], rel=0.02) for ratio in ratios)


def test_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    called = ["study", "--limit", "2", "--tables", "heads, prop_attn", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", called)
    main()
    assert "embedded ViT on Fashion-MNIST: 2 samples, r=23" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "study.json").read_text())["tables"]) == ["heads", "prop_attn"]
    monkeypatch.setattr(sys, "argv", [*called, "--modality", "audio", "--model", "mine"])
    with pytest.raises(SystemExit, match="Leave one of them out"):
        main()


def test_merging_nothing_is_refused(subject: Subject) -> None:
    with pytest.raises(ToMeValueError, match="merges tokens"):
        study(subject, r=0, progress=False)
