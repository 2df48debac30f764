"""`hf-tome study`: the embedded model, an own folder, and what is refused."""

import json

import pytest
from command import hf_tome
from PIL import Image

from hf_tome.data.embedded import VIT, embedded_images


@pytest.mark.slow
def test_study_on_the_embedded_model(tmp_path):
    out = hf_tome("study", "--limit", "2", "--tables", "heads, partition", "--out", "found", cwd=tmp_path)
    assert "embedded ViT on Fashion-MNIST: 2 samples, r=23" in out
    assert "ToMe, table 1c" in out
    assert "concat" in out
    assert str(tmp_path) not in (tmp_path / "found" / "study.md").read_text()
    found = json.loads((tmp_path / "found" / "study.json").read_text())
    assert [table["name"] for table in found["tables"]] == ["heads", "partition"]
    assert Image.open(tmp_path / "found" / "study.png").width > 1000


def test_study_on_own_images(tmp_path):
    (tmp_path / "own").mkdir()
    for number, image in enumerate(embedded_images()[0][:3]):
        image.resize((50, 40)).save(tmp_path / "own" / f"{number}.jpg")
    out = hf_tome("study", "--model", VIT, "--data", "own", "--tables", "heads", "--r", "8", cwd=tmp_path)
    assert "3 samples, r=8" in out
    assert "accuracy" not in out
    assert (tmp_path / "hf-tome-study" / "study.md").exists()


def test_study_refuses_a_place_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert "must be writable. Got: file" in hf_tome("study", "--out", "file", "--limit", "2", cwd=tmp_path, code=2)
