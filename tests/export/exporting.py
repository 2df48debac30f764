"""Exports with a free batch size, and inputs of any batch size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from comparison import apart, tensors_of
from torch import Tensor, nn

Inputs = dict[str, Tensor]
BATCHES = 1, 2, 7, 33


def batch_of(inputs: Inputs, count: int) -> Inputs:
    """As many samples as wanted, all different, made of those that there are."""
    generator = torch.Generator().manual_seed(count)
    return {name: _repeated(value, count, generator) for name, value in inputs.items()}


def _repeated(value: Tensor, count: int, generator: torch.Generator) -> Tensor:
    times = -(-count // len(value))
    repeated = value.repeat(times, *[1] * (value.ndim - 1))[:count]
    return repeated + 0.1 * torch.randn(repeated.shape, generator=generator) if value.is_floating_point() else repeated


def exported(model: nn.Module, inputs: Inputs, strict: bool = False, most: int = 64) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1, max=most)
    shapes = {name: {0: batch} for name in inputs}
    with torch.no_grad():
        return torch.export.export(model, (), batch_of(inputs, 3), dynamic_shapes=shapes, strict=strict)


@torch.no_grad()
def assert_same_at_other_batches(run: Any, model: nn.Module, inputs: Inputs, tolerance: float = 1e-5) -> None:
    for count in BATCHES:
        batch = batch_of(inputs, count)
        expected = model(**batch)
        scale = max(tensor.abs().max().item() for tensor in tensors_of(expected))
        assert apart(run(**batch), expected) <= tolerance * max(1, scale)


def write_onnx(program: torch.export.ExportedProgram, path: Path) -> Path:
    pytest.importorskip("onnxscript", reason="ONNX needs the extra [export]")
    torch.onnx.export(program, (), path, dynamo=True, verbose=False)
    return path


def onnx_runtime(path: Path) -> Any:
    """Runs the file on tensors."""
    runtime = pytest.importorskip("onnxruntime", reason="ONNX needs the extra [export]")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    session = runtime.InferenceSession(path, options)
    known = {each.name for each in session.get_inputs()}  # an input that the model does not read is left out
    return lambda **inputs: [
        torch.from_numpy(np.asarray(output))
        for output in session.run(None, {name: value.numpy() for name, value in inputs.items() if name in known})
    ]


def open_vino(source: Any) -> Any:
    """Runs an ONNX or OpenVINO file, or an exported program, on tensors."""
    openvino = pytest.importorskip("openvino", reason="openvino is not installed: pip install openvino")
    settings = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    model = source if isinstance(source, Path) else openvino.convert_model(source)
    compiled = openvino.Core().compile_model(model, "CPU", settings)
    count = len(compiled.inputs)
    return lambda **inputs: [
        torch.from_numpy(output.copy())
        for output in compiled([value.numpy() for value in list(inputs.values())[:count]]).values()
    ]


def execu_torch(path: Path) -> Any:
    """Runs an ExecuTorch program on tensors."""
    runtime = pytest.importorskip("executorch.runtime", reason="executorch is not installed")
    method = runtime.Runtime.get().load_program(path).load_method("forward")
    return lambda **inputs: method.execute(list(inputs.values()))
