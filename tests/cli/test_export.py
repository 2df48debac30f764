"""`hf-tome export` as a user runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cases import SMALL_VIT
from command import Run
from transformers import ViTImageProcessorPil

from hf_tome import apply_tome


@pytest.fixture
def saved(tmp_path: Path) -> str:
    apply_tome(SMALL_VIT.build(num_hidden_layers=1), r=4).save_pretrained(tmp_path / "saved")
    ViTImageProcessorPil(size={"height": 24, "width": 24}).save_pretrained(tmp_path / "saved")
    return "saved"


@pytest.mark.slow
@torch.no_grad()
def test_onnx_of_a_saved_model(run: Run, saved: str, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX needs the extra [export]")
    pytest.importorskip("onnxscript", reason="ONNX needs the extra [export]")
    said = run("export", saved, "model.onnx")
    for words in ("model.onnx: ONNX, r=4", "16 inputs", "100.0%", "largest difference", "(batch, 3, 24, 24)"):
        assert words in said
    inputs = SMALL_VIT.inputs(batch=7)
    lines = [line for line in said.splitlines() if line.startswith(("session", "logits"))]
    names = {"onnxruntime": onnxruntime, "pixel_values": inputs["pixel_values"].numpy()}
    exec("\n".join(lines), names)  # the snippet is what users run
    expected = apply_tome(SMALL_VIT.build(num_hidden_layers=1), r=4)(**inputs).logits
    assert (torch.from_numpy(names["logits"]) - expected).abs().max() <= 1e-4
    assert [path.name for path in tmp_path.glob("model.*")] == ["model.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize("out", ["model.xml", "model.pt2"])
def test_other_formats(run: Run, saved: str, out: str) -> None:
    if out.endswith("xml"):
        pytest.importorskip("openvino", reason="openvino is not installed: pip install openvino")
    assert "100.0%" in run("export", saved, out, "--r", "[5]")


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["image", "audio", "video"])
def test_embedded_models(run: Run, modality: str) -> None:
    pytest.importorskip("onnxruntime", reason="ONNX needs the extra [export]")
    assert "100.0%" in run("export", modality, "model.onnx", "--r", "8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["image", "model.tflite", "--r", "4"], [".onnx", ".xml", ".pt2", "model.tflite"]),
        (["image", "model.onnx", "--r", "4", "--format", "torch"], [".pt2", "model.onnx"]),
        (["image", "model.onnx", "--r", "many"], ["as in Python", "many"]),
        (["image", "model.onnx"], ["apply_tome needs r"]),
        (["nowhere", "model.onnx"], ["nowhere"]),
    ],
)
def test_what_cannot_be(run: Run, arguments: list[str], words: list[str]) -> None:
    said = run("export", *arguments, code=2)
    assert all(word in said for word in words), said
