"""The snippets of docs/deploy.md, one after the other in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from transformers import PreTrainedModel

PAGE = Path(__file__).parents[2] / "docs" / "deploy.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(PreTrainedModel, "from_pretrained", PreTrainedModel.from_pretrained)  # put back afterwards
    names: dict[str, Any] = {"__name__": "__main__"}
    for snippet in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        if "aoti" in snippet and not which("g++"):
            continue
        try:
            exec(snippet, names)
        except ImportError as error:
            if error.name not in ("openvino", "onnxruntime", "onnxscript", "onnx"):
                raise
        except Exception as error:
            raise AssertionError(f"this snippet fails:\n{snippet}") from error
    assert names["hf_tome"].is_merged(names["classify"])
