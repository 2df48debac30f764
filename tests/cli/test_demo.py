"""`hf-tome demo` as a real process: the embedded model, and the user's own images, sounds and clips."""

import re

import numpy as np
import pytest
from cases import AST, CLASSIFIERS, VIDEOMAE
from command import hf_tome
from PIL import Image
from recordings import tone, write_clip, write_sound
from transformers import ASTFeatureExtractor, BertConfig, BertForSequenceClassification, VideoMAEImageProcessorPil

from hf_tome.data.embedded import CLASSES, VIT, embedded_images


def rows(out: str) -> list[list[str]]:
    """The cells of the table that the command prints."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    return [cells for cells in lines if re.match(r"unmerged$|r=", cells[0])]


def test_demo_on_the_embedded_model(tmp_path):
    out = hf_tome("demo", "--limit", "60", "--batch", "20", "--r", "8", "--r", "16", cwd=tmp_path)
    assert "60 images" in out
    cells = rows(out)
    assert [row[0] for row in cells] == ["unmerged", "r=8", "r=16"]
    assert [row[-1] for row in cells] == ["197 of 197", "133 of 197", "69 of 197"]
    assert all(80 <= float(row[1].split("%")[0]) <= 100 for row in cells)
    assert Image.open(tmp_path / "hf-tome-demo.png").size > (800, 300)


@pytest.mark.parametrize(("modality", "name", "tokens"), [("audio", "sounds", "173"), ("video", "clips", "512")])
def test_demo_on_embedded_sounds_and_clips(modality, name, tokens, tmp_path):
    out = hf_tome("demo", "--modality", modality, "--limit", "8", "--r", "12", cwd=tmp_path)
    assert f"8 {name}" in out
    assert [row[-1].split(" of ")[1] for row in rows(out)] == [tokens, tokens]
    assert (tmp_path / "hf-tome-demo.png").exists()


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
    next(path for path in folder.iterdir() if path.is_dir()).joinpath("broken.png").write_bytes(b"\x89PNG broken")
    out = hf_tome("demo", "--model", VIT, "--data", str(folder), cwd=tmp_path, code=2)
    assert "broken.png" in out


def test_demo_refusals(tmp_path):
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(BertConfig(**sizes, vocab_size=50)).save_pretrained(tmp_path / "bert")
    assert "belong together" in hf_tome("demo", "--model", VIT, cwd=tmp_path, code=2)
    assert "model type bert" in hf_tome("demo", "--model", "bert", "--data", ".", cwd=tmp_path, code=2)
    assert "a folder with images" in hf_tome("demo", "--model", VIT, "--data", "bert", cwd=tmp_path, code=2)
    assert "r is an int" in hf_tome("demo", "--r", "-3", "--limit", "2", cwd=tmp_path, code=2)
    assert "--out is an image file" in hf_tome("demo", "--limit", "2", "--out", "no/such/x.png", cwd=tmp_path, code=2)


@pytest.fixture
def sounds(tmp_path):
    """A tiny AST with its feature extractor, and sounds of any rate and length; the folders name the classes."""
    case = next(case for case in CLASSIFIERS if case.family is AST)
    case.build(id2label={n: f"class {n}" for n in range(5)}).save_pretrained(tmp_path / "ast")
    ASTFeatureExtractor(num_mel_bins=16, max_length=32).save_pretrained(tmp_path / "ast")
    data = tmp_path / "sounds"
    write_sound(data / "class 0" / "low.wav", tone(0.5, 8000), 8000)
    write_sound(data / "class 0" / "stereo.flac", np.stack([tone(1, 44100)] * 2, axis=1), 44100)
    write_sound(data / "class 1" / "silent.wav", np.zeros(16000, np.float32), 16000)
    write_sound(data / "class 1" / "shorter than one window.ogg", tone(0.01, 16000), 16000)
    return data


def test_demo_on_sounds(sounds, tmp_path):
    out = hf_tome("demo", "--model", "ast", "--data", "sounds", "--r", "3", "--batch", "3", cwd=tmp_path)
    assert "4 sounds, batches of 3" in out
    assert "accuracy" in out
    assert [row[-1] for row in rows(out)] == ["52 of 52", "40 of 52"]
    assert Image.open(tmp_path / "hf-tome-demo.png").height > 300


@pytest.fixture
def clips(tmp_path):
    """A tiny VideoMAE with its processor, and clips of several lengths and kinds."""
    case = next(case for case in CLASSIFIERS if case.family is VIDEOMAE)
    case.build().save_pretrained(tmp_path / "mae")
    square = {"height": 16, "width": 16}
    VideoMAEImageProcessorPil(size={"shortest_edge": 16}, crop_size=square).save_pretrained(tmp_path / "mae")
    data = tmp_path / "clips"
    write_clip(data / "long.mp4", range(0, 250, 3))
    write_clip(data / "one frame.mp4", [100])
    write_clip(data / "moving.gif", range(0, 250, 50), "gif")
    return data


def test_demo_on_clips(clips, tmp_path):
    out = hf_tome("demo", "--model", "mae", "--data", "clips", "--limit", "3", cwd=tmp_path)
    assert "3 clips, batches of 2" in out
    assert "No label is known" in out  # these folders name no classes
    assert [row[0] for row in rows(out)] == [
        "unmerged",
        "r=1",
        "r=2",
        "r=4",
        "r=5",
        "r=6",
    ]  # steps towards 32 tokens / 4 layers
    assert rows(out)[-1][-1] == "8 of 32"
    assert Image.open(tmp_path / "hf-tome-demo.png").width > 300


def test_demo_names_a_clip_that_is_none(clips, tmp_path):
    (clips / "text.mp4").write_text("no video")
    assert "text.mp4" in hf_tome("demo", "--model", "mae", "--data", "clips", cwd=tmp_path, code=2)
