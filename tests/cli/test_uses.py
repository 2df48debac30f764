"""`hf-tome embed`, and `hf-tome eval` of other tasks and of models that were saved with settings of merging."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import Run
from own_data import BY_MODALITY, labelled, saved
from transformers import AutoModelForImageClassification

from hf_tome import apply_tome
from hf_tome.data.classifier import load_classifier
from hf_tome.data.tiny import tiny_model
from hf_tome.show.look import look


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a tiny CLIP, a ViT and images."""
    tiny_model("clip", tmp_path / "clip")
    saved(BY_MODALITY["image"], tmp_path / "vit")
    labelled(BY_MODALITY["image"], tmp_path / "images", 4)
    (tmp_path / "labels.txt").write_text("class 0\n\nclass 1\nclass 2\nclass 3\n")
    return tmp_path


def names(folder: Path) -> list[str]:
    return [row["name"] for row in json.loads((folder / "report.json").read_text())["rows"]]


def test_zero_shot_and_retrieval(own: Path, run: Run) -> None:
    options = ["--model", "clip", "--data", "images", "--r", "4", "--out", "out"]
    out = run("eval", "--task", "zero-shot", *options, "--labels", "labels.txt", "--template", "a {}.")
    assert "accuracy" in out
    assert "zero-shot-image-classification" in (own / "out" / "model-index.yaml").read_text()
    rows = "".join(f"class {number}/{number}.png,picture {number}\n" for number in range(4))
    (own / "images" / "metadata.csv").write_text(f"file_name,text\n{rows}")
    out = run("eval", "--task", "retrieval", *options)
    assert "text R@1" in out
    assert "image R@5" in (own / "out" / "report.md").read_text()


def test_embed(own: Path, run: Run) -> None:
    out = run("embed", "vit", "images", "out.parquet", "--r", "4", "--features", "patches", "--batch", "3")
    assert "4 images embedded" in out
    assert "MAC ratio 1." in out
    assert "(37 tokens, 21 left)" in out
    assert run("embed", "vit", "images", "out.parquet", "--r", "4", "--features", "patches", "--batch", "3").startswith(
        "Features of 4 images: out.parquet"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--task", "zero-shot", "--model", "clip"], ["--labels classes.txt"]),
        (["--task", "zero-shot", "--model", "vit", "--labels", "labels.txt"], ["model type vit", "CLIP"]),
        (["--task", "zero-shot", "--model", "clip", "--labels", "no.txt"], ["no.txt"]),
        (["--model", "vit", "--labels", "labels.txt"], ["--labels with --task classification"]),
        (["--task", "retrieval", "--model", "clip"], ["metadata.csv"]),
        (["--task", "retrieval", "--model", "clip", "--language", "en"], ["--language is of"]),
        (["--task", "transcription", "--model", "clip"], ["model type clip", "Whisper"]),
    ],
)
def test_refusals(arguments: list[str], words: list[str], own: Path, run: Run) -> None:
    out = run("eval", *arguments, "--data", "images", code=2)
    assert all(word in out for word in words), out


def test_a_model_is_evaluated_as_it_was_saved(own: Path, run: Run) -> None:
    model = AutoModelForImageClassification.from_pretrained(own / "vit")
    apply_tome(model, r=3, prop_attn=False).save_pretrained(own / "vit")
    options = ["eval", "--model", "vit", "--data", "images", "--out", "out"]
    run(*options)
    assert names(own / "out") == ["unmerged", "r=3, prop_attn=off, as saved"]
    run(*options, "--r", "5")
    assert names(own / "out") == ["unmerged", "r=3, prop_attn=off, as saved", "r=5, prop_attn=off"]
    run(*options, "--r", "5", "--set", "prop_attn=on")
    assert names(own / "out")[2] == "r=5, prop_attn=on"
    classifier = load_classifier(str(own / "vit"))
    picture = classifier.read(next((own / "images").rglob("*.png")))
    assert look(classifier, picture).trace.token_counts == [37 - 3 * layer for layer in range(5)]
    assert classifier.model.config.tome == {"r": 3, "prop_attn": False, "restore": True}  # pyright: ignore
