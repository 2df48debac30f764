"""Run the notebooks of examples/notebooks and keep what they show: python -m benchmarks.notebooks"""

from __future__ import annotations

import nbclient
import nbformat

from benchmarks.pages import ROOT


def main() -> None:
    for path in sorted((ROOT / "examples/notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbclient.NotebookClient(notebook, kernel_name="python3", record_timing=False).execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]  # progress bars
                for each in cell.outputs:
                    each.get("data", {}).pop("image/jpeg", None)  # there is a PNG of it too
        nbformat.write(notebook, path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
