"""Every family leaves PyTorch with merging, and a free batch size: ONNX Runtime, OpenVINO, AOTInductor, a trace."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import which

import pytest
import torch
from exporting import assert_same_at_other_batches, exported, onnx_runtime, open_vino, write_onnx

from hf_tome import apply_tome

sys.path.append(str(Path(__file__).parents[1] / "families"))
from zoo import ZOO, Row

R = 3
# The plain models of these cannot be exported with a free batch either.
FIXED = {
    "CLIPSegForImageSegmentation": "its decoder compares batch sizes",
    "Siglip2Model": "it resizes the positions of each image by itself",
    "LlavaForConditionalGeneration": "it returns a cache",
}
FREE = [row for row in ZOO if row.model.__name__ not in FIXED]


def rows(*quick: str, among: list[Row]) -> pytest.MarkDecorator:
    """A test for each row; all but some are slow."""
    marked = [
        pytest.param(row, marks=[] if row.model.__name__ in quick else pytest.mark.slow, id=row.model.__name__)
        for row in among
    ]
    return pytest.mark.parametrize("row", marked)


@pytest.mark.slow
@rows(among=FREE)
def test_onnx_runtime_gives_what_pytorch_gives(row: Row, tmp_path: Path) -> None:
    model = apply_tome(row.build(), r=R)
    program = exported(model, row.inputs())
    assert_same_at_other_batches(program.module(), model, row.inputs())
    path = write_onnx(program, tmp_path / "model.onnx")
    assert_same_at_other_batches(onnx_runtime(path), model, row.inputs(), 1e-4)


@pytest.mark.slow
@rows(among=FREE)
def test_openvino_reads_the_program(row: Row) -> None:
    pytest.importorskip("openvino", reason="openvino is not installed: pip install openvino")
    model = apply_tome(row.build(), r=R)
    assert_same_at_other_batches(open_vino(exported(model, row.inputs())), model, row.inputs(), 1e-4)


@pytest.mark.slow
@rows(among=[row for row in FREE if not row.restored])
def test_a_short_sequence_is_exported_too(row: Row) -> None:
    model = apply_tome(row.build(), r=R, restore=False)
    assert_same_at_other_batches(exported(model, row.inputs()).module(), model, row.inputs())


@pytest.mark.slow
@rows(among=FREE)
def test_strict_export(row: Row) -> None:
    model = apply_tome(row.build(), r=R)
    assert_same_at_other_batches(exported(model, row.inputs(), strict=True).module(), model, row.inputs())


@rows("VideoMAEModel", among=FREE)
def test_a_trace_runs_at_other_batches(row: Row) -> None:
    model = apply_tome(row.build(), r=R)
    with torch.no_grad():
        traced = torch.jit.trace(model, example_kwarg_inputs=row.inputs(), strict=False, check_trace=False)
    assert_same_at_other_batches(lambda **inputs: tuple(traced(**inputs).values()), model, row.inputs())


@pytest.mark.slow
@pytest.mark.skipif(which("g++") is None, reason="AOTInductor needs a C++ compiler")
@rows(among=FREE)
def test_aot_inductor(row: Row, tmp_path: Path) -> None:
    model = apply_tome(row.build(), r=R)
    path = torch._inductor.aoti_compile_and_package(
        exported(model, row.inputs()), package_path=str(tmp_path / "model.pt2")
    )
    assert_same_at_other_batches(torch._inductor.aoti_load_package(path), model, row.inputs())


@pytest.mark.slow
@rows(among=[row for row in ZOO if row.model.__name__ in FIXED and "Llava" not in row.model.__name__])
def test_a_fixed_batch_where_the_plain_model_needs_it(row: Row) -> None:
    model = apply_tome(row.build(), r=R)
    with torch.no_grad():
        program = torch.export.export(model, (), row.inputs())
        torch.testing.assert_close(program.module()(**row.inputs()), model(**row.inputs()), rtol=1e-5, atol=1e-5)
