"""The commands as real processes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from transformers import BertConfig, BertForSequenceClassification

from hf_tome.embedded import VIT, embedded_images
from hf_tome.fashion import CLASSES


def hf_tome(*arguments: str, cwd: Path, code: int = 0) -> str:
    """Run the command; its output, with stderr, on one line."""
    env = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "hf_tome", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout + " ".join(done.stderr.split())


def test_demo_on_the_embedded_model(tmp_path):
    out = hf_tome("demo", "--limit", "60", "--batch", "20", "--r", "8", "--r", "16", cwd=tmp_path)
    assert "60 images" in out
    cells = [re.split(r"\s*│\s*", line.strip("│ ")) for line in out.splitlines() if line.startswith("│")]
    assert [row[0] for row in cells] == ["off", "8", "16"]
    assert [row[-1] for row in cells] == ["197 of 197", "133 of 197", "69 of 197"]
    assert all(80 <= float(row[1].strip("%")) <= 100 for row in cells)
    assert Image.open(tmp_path / "hf-tome-demo.png").size > (800, 300)


@pytest.fixture
def folder(tmp_path):
    """An image folder with class names, one file that is no image, and one of another size."""
    images, labels = embedded_images()
    for number in range(12):
        place = tmp_path / "own" / CLASSES[labels[number]].replace("/", "_")
        place.mkdir(parents=True, exist_ok=True)
        images[number].resize((40, 50)).save(place / f"{number}.png")
    (tmp_path / "own" / "notes.txt").write_text("no image")
    return tmp_path / "own"


def test_demo_on_own_data(folder, tmp_path):
    arguments = ("demo", "--model", VIT, "--data", str(folder), "--r", "8", "--batch", "6")
    out = hf_tome(*arguments, "--out", "own.png", cwd=tmp_path)
    assert "12 images" in out
    assert (tmp_path / "own.png").exists()


def test_demo_names_a_broken_image(folder, tmp_path):
    (folder / "broken.png").write_bytes(b"\x89PNG broken")
    out = hf_tome("demo", "--model", VIT, "--data", str(folder), cwd=tmp_path, code=2)
    assert "broken.png" in out


def test_demo_refusals(tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(BertConfig(**sizes, vocab_size=50)).save_pretrained(tmp_path / "bert")
    assert "belong together" in hf_tome("demo", "--model", VIT, cwd=tmp_path, code=2)
    assert "Got:" in hf_tome("demo", "--model", "bert", "--data", ".", cwd=tmp_path, code=2)
    assert "a folder with images" in hf_tome("demo", "--model", VIT, "--data", "nowhere", cwd=tmp_path, code=2)
    assert "r is an int" in hf_tome("demo", "--r", "-3", "--limit", "2", cwd=tmp_path, code=2)
    assert "--out is an image file" in hf_tome("demo", "--limit", "2", "--out", "no/such/x.png", cwd=tmp_path, code=2)


def test_families(tmp_path):
    out = hf_tome("families", cwd=tmp_path)
    for name in ("vit", "deit", "videomae", "audio-spectrogram-transformer", "swin"):
        assert name in out


def test_doctor_as_json(tmp_path):
    findings = json.loads(hf_tome("doctor", "--json", cwd=tmp_path).split("\n}")[0] + "\n}")
    assert {"torch", "transformers"} <= {finding["name"].lower() for finding in findings["findings"]}


def test_help(tmp_path):
    out = hf_tome("--help", cwd=tmp_path)
    assert all(command in out for command in ("demo", "families", "doctor"))
