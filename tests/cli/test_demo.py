"""`hf-tome demo`: the embedded models, and the user's own images, sounds and clips."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from command import Run
from own_data import BY_MODALITY, saved
from PIL import Image
from recordings import tone, write_clip, write_sound
from transformers import BertConfig, BertForSequenceClassification

from hf_tome.data.embedded import CLASSES, VIT, embedded_images


def rows(out: str) -> list[list[str]]:
    """The cells of the table that the command prints."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    return [cells for cells in lines if re.match(r"unmerged$|r=", cells[0])]


def test_images(run: Run, tmp_path: Path) -> None:
    out = run("demo", "--limit", "6", "--batch", "3", "--r", "8,16")
    assert "6 images" in out
    assert re.search(r"^ +embedded ViT on Fashion-MNIST *$", out, re.MULTILINE)  # the table's title
    cells = rows(out)
    assert [row[0] for row in cells] == ["unmerged", "r=8", "r=16"]
    assert [row[-1] for row in cells] == ["197 of 197", "133 of 197", "69 of 197"]
    assert all(80 <= float(row[1].split("%")[0]) <= 100 for row in cells)
    assert Image.open(tmp_path / "hf-tome-demo.png").size > (800, 300)


@pytest.mark.slow
def test_all_embedded_models_in_one_call(run: Run, tmp_path: Path) -> None:
    """Each says beforehand what is run, on its own line; the next commands come once."""
    out = run("demo", "--modality", "all", "--limit", "2", "--r", "12")
    for start in (
        "embedded ViT (vit-fashion-mnist, 0.9 M parameters) on Fashion-MNIST: 2 images, batches of 32.",
        "embedded AST (ast-drums, 0.7 M parameters) on drum sounds: 2 sounds, batches of 4.",
        "embedded VideoMAE (videomae-sprites, 0.7 M parameters) on moving pictures: 2 clips, batches of 2.",
        "It runs unmerged, and with r = 12: so many tokens merge per layer.",
        "Next:",
    ):
        assert start in out.splitlines()
    assert [row[-1].split(" of ")[1] for row in rows(out)] == ["197", "197", "173", "173", "512", "512"]
    assert all((tmp_path / f"hf-tome-demo-{each}.png").exists() for each in ("image", "audio", "video"))
    assert [line.split("  #")[0] for line in out.split("Next:\n")[1].splitlines()[:3]] == [
        "  hf-tome demo --modality all",
        "  hf-tome show PHOTO",
        "  hf-tome eval --model MODEL --data FOLDER",
    ]


def test_own_images_and_a_broken_one(run: Run, tmp_path: Path) -> None:
    """Files with class names, one that is no image, and then one that only says so."""
    for number, (image, label) in enumerate(zip(*embedded_images(), strict=True)):
        place = tmp_path / "own" / CLASSES[label].replace("/", "_")
        place.mkdir(parents=True, exist_ok=True)
        image.resize((40, 50)).save(place / f"{number}.png")
        if number == 5:
            break
    (tmp_path / "own" / "notes.txt").write_text("no image")
    options = ["--model", VIT, "--data", "own", "--r", "8", "--batch", "3", "--out", "own.png"]
    out = run("demo", *options)
    assert "6 images" in out
    assert f"hf-tome tune --model {VIT} --data own --target-speedup 2" in out
    assert (tmp_path / "own.png").exists()
    (place / "broken.png").write_bytes(b"\x89PNG broken")
    assert "broken.png" in run("demo", *options, code=2)


def test_refusals(run: Run, tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(BertConfig(**sizes, vocab_size=50)).save_pretrained(tmp_path / "bert")
    assert "belong together" in run("demo", "--model", VIT, code=2)
    assert "Leave one of them out" in run("demo", "--model", VIT, "--modality", "audio", code=2)
    assert "model type bert" in run("demo", "--model", "bert", "--data", ".", code=2)
    assert "a folder with images" in run("demo", "--model", VIT, "--data", "bert", code=2)
    assert "r is an int" in run("demo", "--r", "-3", code=2)
    assert "The output is a file" in run("demo", "--out", "no/such/x.png", code=2)


def test_own_sounds(run: Run, tmp_path: Path) -> None:
    """Of any rate and length; the folders name the classes."""
    saved(BY_MODALITY["audio"], tmp_path / "ast")
    data = tmp_path / "sounds"
    write_sound(data / "class 0" / "low.wav", tone(0.5, 8000), 8000)
    write_sound(data / "class 0" / "stereo.flac", np.stack([tone(1, 44100)] * 2, axis=1), 44100)
    write_sound(data / "class 1" / "silent.wav", np.zeros(16000, np.float32), 16000)
    write_sound(data / "class 1" / "shorter than one window.ogg", tone(0.01, 16000), 16000)
    out = run("demo", "--model", "ast", "--data", "sounds", "--r", "3", "--batch", "3")
    assert "4 sounds, batches of 3" in out
    assert "accuracy" in out
    assert [row[-1] for row in rows(out)] == ["52 of 52", "40 of 52"]
    assert Image.open(tmp_path / "hf-tome-demo.png").height > 300


@pytest.mark.slow
def test_own_clips(run: Run, tmp_path: Path) -> None:
    """Of several lengths and kinds, in folders that name no classes."""
    saved(BY_MODALITY["video"], tmp_path / "mae")
    data = tmp_path / "clips"
    write_clip(data / "long.mp4", range(0, 250, 3))
    write_clip(data / "one frame.mp4", [100])
    write_clip(data / "moving.gif", range(0, 250, 50), "gif")
    options = ["demo", "--model", "mae", "--data", "clips", "--limit", "3"]
    out = run(*options)
    assert "3 clips, batches of 2" in out
    assert "No label is known" in out
    # steps towards 32 tokens / 4 layers
    assert [row[0] for row in rows(out)] == ["unmerged", "r=1", "r=2", "r=4", "r=5", "r=6"]
    assert rows(out)[-1][-1] == "8 of 32"
    assert Image.open(tmp_path / "hf-tome-demo.png").width > 300
    (data / "text.mp4").write_text("no video")
    assert "text.mp4" in run(*options[:-2], code=2)
