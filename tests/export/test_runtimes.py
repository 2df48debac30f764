"""The other ways out of PyTorch, on one model each: options, 8 bits, transformers' exporters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cases import SMALL_VIT
from comparison import apart
from exporting import (
    assert_same_at_other_batches,
    batch_of,
    execu_torch,
    exported,
    onnx_runtime,
    open_vino,
    write_onnx,
)

from hf_tome import apply_tome
from hf_tome.data.embedded import embedded_images, embedded_processor, embedded_vit

pytestmark = pytest.mark.slow
OPTIONS: list[dict[str, Any]] = [
    {"r": (4, -1.0)},
    {"r": [3, 0]},
    {"r": 0.1},
    {"r": 4, "prop_attn": False},
    *({"r": 4, "matching": name} for name in ("kth", "greedy", "kmeans", "pitome", "random_prune")),
    *({"r": 4, "distance": name} for name in ("euclidean", "dot", "softmax")),
    *({"r": 4, "partition": name} for name in ("sequential", "random", "energy")),
    *({"r": 4, "combine": name} for name in ("mean", "max", "keep", "mlerp")),
    {"r": 4, "metric": "x"},
    {"r": 4, "heads": "concat"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_of_the_merge(options: dict[str, Any], tmp_path: Path) -> None:
    model = apply_tome(SMALL_VIT.build(num_hidden_layers=2), **options)
    program = exported(model, SMALL_VIT.inputs())
    assert_same_at_other_batches(program.module(), model, SMALL_VIT.inputs())
    path = write_onnx(program, tmp_path / "model.onnx")
    assert_same_at_other_batches(onnx_runtime(path), model, SMALL_VIT.inputs(), 1e-4)


@pytest.mark.parametrize("read", [onnx_runtime, open_vino])
def test_equal_tokens_merge_in_index_order(read: Any, tmp_path: Path) -> None:
    """Images of one colour or two, without positions: nearly all similarities tie."""
    model: Any = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=9)
    with torch.no_grad():
        model.vit.embeddings.position_embeddings.zero_()
    pixels = torch.zeros(3, 3, 24, 24)
    pixels[1, :, ::8], pixels[2, :, 12:] = 1, -1
    path = write_onnx(exported(model, {"pixel_values": pixels}), tmp_path / "model.onnx")
    with torch.no_grad():
        expected = model(pixels).logits
    assert (read(path)(pixel_values=pixels)[0] - expected).abs().max() <= 1e-4


@torch.no_grad()
def test_eight_bits_in_onnx_runtime_agree_with_the_unmerged_twin(tmp_path: Path) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization", reason="ONNX needs the extra [export]")
    inputs = dict(embedded_processor()(embedded_images()[0][:200], return_tensors="pt"))
    classes = []
    for r in (0, 16):
        exact = write_onnx(exported(apply_tome(embedded_vit(), r=r), inputs), tmp_path / f"{r}.onnx")
        quantization.quantize_dynamic(exact, tmp_path / f"{r}-int8.onnx", weight_type=quantization.QuantType.QInt8)
        classes.append(onnx_runtime(tmp_path / f"{r}-int8.onnx")(**inputs)[0].argmax(dim=-1))
    assert (classes[0] == classes[1]).float().mean() >= 0.97


EXPORTERS = {
    "onnx": ("OnnxExporter", "OnnxConfig", "onnxscript"),
    "openvino": ("OpenVINOExporter", "OpenVINOConfig", "openvino"),
    "executorch": ("ExecutorchExporter", "ExecutorchConfig", "executorch"),
}


@pytest.mark.parametrize("kind", EXPORTERS)
def test_exporters_of_transformers(kind: str, tmp_path: Path) -> None:
    exporters = pytest.importorskip(f"transformers.exporters.exporter_{kind}", reason="this transformers has none")
    exporter, config, package = EXPORTERS[kind]
    pytest.importorskip(package, reason=f"{package} is not installed")
    model, inputs = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=4), SMALL_VIT.inputs(3)
    shapes = {"pixel_values": {0: torch.export.Dim("batch", min=1, max=64)}}
    fixed = kind == "executorch"  # its delegate keeps the batch size of the example
    settings = {} if fixed else {"dynamic": True, "dynamic_shapes": shapes}
    result = getattr(exporters, exporter)().export(model, inputs, config=getattr(exporters, config)(**settings))
    result.save_pretrained(tmp_path)
    run = {
        "onnx": lambda: onnx_runtime(tmp_path / "model.onnx"),
        "openvino": lambda: open_vino(tmp_path / "openvino_model.xml"),
        "executorch": lambda: execu_torch(tmp_path / "model.pte"),
    }[kind]()
    for count in (3,) if fixed else (1, 7):
        batch = batch_of(inputs, count)
        with torch.no_grad():
            expected = model(**batch).logits
        assert apart(run(**batch)[0], expected) <= 1e-4
