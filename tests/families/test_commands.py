"""The commands take a saved classifier of any family, or say why not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from heads import CLASSIFIERS, HEADS, Head, name
from PIL import Image
from recordings import write_sound
from row import LAYERS
from typer.testing import CliRunner
from zoo import ZOO

from hf_tome import ToMeError, apply_tome
from hf_tome.cli.commands import app
from hf_tome.data.classifier import load_classifier


def run(*arguments: str) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.output


def head_of(family: str) -> Head:
    return next(head for head in CLASSIFIERS if head.family == family)


@pytest.mark.parametrize("head", CLASSIFIERS, ids=name)
def test_bench_on_a_saved_classifier(head: Head, tmp_path: Path) -> None:
    out = run("bench", "--model", head.saved(tmp_path), "--r", "2", "--batch", "1", "--rounds", "1")
    assert "MAC ratio" in out


@pytest.mark.parametrize("head", CLASSIFIERS, ids=name)
def test_eval_of_a_saved_classifier(head: Head, tmp_path: Path) -> None:
    model, data = head.saved(tmp_path / "model"), tmp_path / "data"
    for number, label in enumerate(("LABEL_0", "LABEL_1", "LABEL_1")):
        noise, path = np.random.default_rng(number), data / label / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        if "Audio" in name(head) or "Sequence" in name(head):
            write_sound(path.with_suffix(".wav"), noise.normal(size=2000 * (number + 1)) / 9, 16_000)
        else:
            Image.fromarray(noise.integers(0, 255, (20, 16, 3), np.uint8)).save(path.with_suffix(".png"))
    run("eval", "--model", model, "--data", str(data), "--r", "2", "--batch", "2", "--out", str(tmp_path / "out"))
    unmerged, merged = json.loads((tmp_path / "out" / "report.json").read_text())["rows"]
    classifier = load_classifier(model)
    files = sorted(data.rglob("*.*"))
    for row, r in ((unmerged, 0), (merged, 2)):
        apply_tome(classifier.model, r=r)
        with torch.no_grad():
            logits = [classifier.model(**classifier.inputs([classifier.read(file)])).logits[0] for file in files]
        right = [int(each.argmax()) == int(file.parent.name[-1]) for each, file in zip(logits, files, strict=True)]
        assert row["metric"] == sum(right) / 3
    assert merged["kl"] > 0
    assert merged["mac_ratio"] > 1


@pytest.mark.skipif("wav2vec2" not in {head.family for head in HEADS}, reason="another layer in this version")
def test_waves_of_different_lengths(tmp_path: Path) -> None:
    classifier = load_classifier(head_of("wav2vec2").saved(tmp_path))
    inputs = classifier.inputs([np.ones(900, np.float32), np.ones(500, np.float32)])
    assert inputs["attention_mask"].sum(1).tolist() == [900, 500]
    assert classifier.model(**inputs).logits.shape == (2, 2)


def test_a_picture_of_tokens_that_are_patches(tmp_path: Path) -> None:
    picture = tmp_path / "in.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(picture)
    run("show", str(picture), "--model", head_of("clip").saved(tmp_path / "model"), "--out", str(tmp_path / "out.png"))
    assert (tmp_path / "out.png").exists()


def test_a_picture_of_tokens_that_are_none(tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "in.wav", np.random.default_rng(0).normal(size=16_000) / 9, 16_000)
    with pytest.raises(ToMeError, match="frequency, time"):
        run("show", str(sound), "--model", head_of("whisper").saved(tmp_path / "model"))


@pytest.mark.parametrize("family", ["siglip", "moonshine"])
def test_a_model_that_is_no_classifier(family: str, tmp_path: Path) -> None:
    row = next(row for row in ZOO if row.model_type == family)
    row.build().save_pretrained(tmp_path)
    if family == "siglip":  # transformers would give it a head with random weights
        with pytest.raises(ToMeError, match=r"processor|classifier"):
            run("bench", "--model", str(tmp_path))
        return
    with pytest.raises(ToMeError, match="needs a classifier"):
        run("bench", "--model", str(tmp_path))


def test_detection_tokens_at_the_end_do_not_count() -> None:
    from hf_tome.data.encoder import Encoder
    from hf_tome.measure.variants import even_steps

    row = next(row for row in ZOO if row.model_type == "yolos")
    assert even_steps(Encoder(row.build(), None, "image"), row.inputs(), 1) == [17 // (2 * LAYERS)]
