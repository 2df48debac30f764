"""Models in files that other runtimes read: ONNX, OpenVINO, and `torch.export`. The batch size is free in each."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hf_tome.errors import ToMeValueError, UnsupportedModelError, complaint, extra

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch.export import ExportedProgram

Inputs = dict[str, Tensor]
Run = Callable[[Inputs], "Float[np.ndarray, 'batch classes']"]
TOLERANCE = 1e-3  # of the largest logit
LARGEST = 2**30  # bytes of weights: an ONNX file itself holds less than 2 GiB


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        name: of the format, for people.
        suffix: of the file.
        write: a program to that file.
        read: the file, ready to run on the inputs of a batch.
        snippet: two lines that use it, with the path and the name of the input to fill in.
    """

    name: str
    suffix: str
    write: Callable[[ExportedProgram, Path], None]
    read: Callable[[Path], Run]
    snippet: str


@dataclass(frozen=True)
class Check:
    """How a file compares with the model in memory.

    Attributes:
        difference: the largest between two logits.
        agreement: the share of the inputs for which both give the same class.
        inputs: how many were compared.
    """

    difference: float
    agreement: float
    inputs: int


def export(model: nn.Module, inputs: Inputs, path: Path, kind: str) -> Check:
    """Write a classifier to a file that takes any batch size, and run the file against the model.

    Args:
        model: in eval mode, on a CPU; merged or not.
        inputs: of a batch, by name. The file takes inputs of this shape, for as many samples as one likes.
        path: of the file. A large ONNX model has a second one beside it, an OpenVINO model always.
        kind: one of `FORMATS`.

    Returns:
        What came of the comparison, on each of the inputs alone and on all together.

    Raises:
        MissingExtraError: if a package of the extra [export] is missing.
        UnsupportedModelError: if the model cannot be exported.
        ToMeValueError: if the file cannot be written, or gives other logits.
    """
    chosen = FORMATS[kind]
    with _quiet():
        chosen.write(program_of(model, inputs), path)
        found = check(model, inputs, chosen.read(path))
    return found


def program_of(model: nn.Module, inputs: Inputs) -> ExportedProgram:
    """The forward of `model` as a graph for any batch size, by `torch.export`.

    Raises:
        UnsupportedModelError: if torch cannot record it.
    """
    batch = torch.export.Dim("batch", min=1, max=2**20)
    example = {name: torch.cat([value, value])[:2] for name, value in inputs.items()}  # a batch of 1 would be fixed
    try:
        with torch.no_grad():
            return torch.export.export(model, (), example, dynamic_shapes={name: {0: batch} for name in example})
    except RuntimeError as error:
        rule, reason = "torch.export must be able to record the model.", str(error).strip().splitlines()[0]
        cure = "Try the plain model: what fails there too is not for hf_tome to mend."
        raise UnsupportedModelError(complaint(rule, reason, cure)) from error


def check(model: nn.Module, inputs: Inputs, run: Run) -> Check:
    """Compare logits: of each input alone, and of all in one batch.

    Raises:
        ToMeValueError: if they are further apart than rounding explains.
    """
    with torch.no_grad():
        expected = model(**inputs).logits.numpy()
    each = [run({name: value[i : i + 1] for name, value in inputs.items()}) for i in range(len(expected))]
    found = np.stack([np.concatenate(each), run(inputs)])  # (2, batch, classes)
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max())):
        rule = "The file must give the model's logits."
        raise ToMeValueError(complaint(rule, f"a difference of {difference:.1e}", "Use another format, and report it."))
    agreement = float((found.argmax(axis=-1) == expected.argmax(axis=-1)).mean())
    return Check(difference, agreement, len(expected))


def _write_onnx(program: ExportedProgram, path: Path) -> None:
    with extra("export", "write ONNX files"):
        import onnxscript  # noqa: F401  # pyright: ignore[reportMissingImports]
    apart = sum(each.nbytes for each in program.state_dict.values()) > LARGEST
    torch.onnx.export(program, (), path, dynamo=True, verbose=False, output_names=["logits"], external_data=apart)


def _read_onnx(path: Path) -> Run:
    with extra("export", "run ONNX files"):
        import onnxruntime  # pyright: ignore[reportMissingImports]
    session: Any = onnxruntime.InferenceSession(path)
    return lambda inputs: session.run(["logits"], {name: value.numpy() for name, value in inputs.items()})[0]


def _write_openvino(program: ExportedProgram, path: Path) -> None:
    with extra("export", "write OpenVINO files"):
        import openvino  # pyright: ignore[reportMissingImports]
    model = openvino.convert_model(program)
    for port, node in zip(model.inputs, program.graph_signature.user_inputs, strict=True):
        port.get_tensor().set_names({str(node)})
    model.outputs[0].get_tensor().set_names({"logits"})
    openvino.save_model(model, path, compress_to_fp16=False)


def _read_openvino(path: Path) -> Run:
    with extra("export", "run OpenVINO files"):
        import openvino  # pyright: ignore[reportMissingImports]
    compiled = openvino.Core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: compiled({name: value.numpy() for name, value in inputs.items()})["logits"]


def _read_torch(path: Path) -> Run:
    module = torch.export.load(path).module()
    return lambda inputs: module(**inputs).logits.detach().numpy()


@contextmanager
def _quiet() -> Iterator[None]:
    """Exporters warn of what they leave out, and of packages that they do without."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


FORMATS: dict[str, Format] = {
    "onnx": Format(
        "ONNX",
        ".onnx",
        _write_onnx,
        _read_onnx,
        'session = onnxruntime.InferenceSession("{path}")\n'
        'logits = session.run(["logits"], {{"{name}": {name}}})[0]  # numpy, float32 {shape}',
    ),
    "openvino": Format(
        "OpenVINO",
        ".xml",
        _write_openvino,
        _read_openvino,
        'compiled = openvino.Core().compile_model("{path}", "CPU")\n'
        'logits = compiled({{"{name}": {name}}})["logits"]  # numpy, float32 {shape}',
    ),
    "torch": Format(
        "torch.export",
        ".pt2",
        lambda program, path: torch.export.save(program, path),
        _read_torch,
        'model = torch.export.load("{path}").module()\n'
        "logits = model({name}={name}).logits  # a tensor, float32 {shape}",
    ),
}
