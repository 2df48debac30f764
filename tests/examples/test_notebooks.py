"""The notebooks run from empty namespaces, in one kernel, so that the libraries are imported once."""

from __future__ import annotations

from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient", reason="notebooks need nbclient and ipykernel")
nbformat = pytest.importorskip("nbformat")
NOTEBOOKS = sorted((Path(__file__).parents[2] / "examples/notebooks").glob("*.ipynb"))
EMPTY = "%reset -f\nimport torch\ntorch.set_num_threads(1)"
LARGEST = 400_000  # bytes, with outputs


@pytest.mark.slow
def test_notebooks_run(tmp_path: Path) -> None:
    whole = nbformat.v4.new_notebook()
    for path in NOTEBOOKS:
        whole.cells += [nbformat.v4.new_code_cell(EMPTY), *nbformat.read(path, as_version=4).cells]
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(whole, timeout=200, kernel_name="python3", resources=place).execute()
    assert not list(tmp_path.iterdir())
    shown = [output.output_type for cell in whole.cells for output in cell.get("outputs", ())]
    assert shown.count("display_data") + shown.count("execute_result") >= 7  # pictures, figures and a sound


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_with_their_outputs(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))  # run in order
    assert "/home/" not in path.read_text()
    for line in (line for cell in code for line in cell.source.splitlines() if line.startswith("from hf_tome")):
        exec(line, {})  # what a notebook uses is where it looks for it
