"""`hf-tome study` as a real process: the embedded model, an own folder, and what is refused."""

import json

from command import hf_tome
from PIL import Image

from hf_tome.embedded import VIT, embedded_images


def test_study_on_the_embedded_model(tmp_path):
    out = hf_tome("study", "--limit", "20", "--tables", "heads, combine", "--out", "found", cwd=tmp_path)
    assert "embedded ViT on Fashion-MNIST: 20 samples, r=23" in out
    assert "ToMe, table 1d" in out
    assert "weighted_mean" in out
    assert str(tmp_path) not in (tmp_path / "found" / "study.md").read_text()
    found = json.loads((tmp_path / "found" / "study.json").read_text())
    assert [table["name"] for table in found["tables"]] == ["heads", "combine"]
    assert Image.open(tmp_path / "found" / "study.png").width > 1000


def test_study_on_own_images(tmp_path):
    (tmp_path / "own").mkdir()
    for number, image in enumerate(embedded_images()[0][:6]):
        image.resize((50, 40)).save(tmp_path / "own" / f"{number}.jpg")
    out = hf_tome("study", "--model", VIT, "--data", "own", "--tables", "partition", "--r", "8", cwd=tmp_path)
    assert "6 samples, r=8" in out
    assert "accuracy" not in out
    assert (tmp_path / "hf-tome-study" / "study.md").exists()


def test_study_refuses_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert "--out is a folder" in hf_tome("study", "--out", "file", "--limit", "2", cwd=tmp_path, code=2)
