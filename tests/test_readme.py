"""The snippets of README and docs, run as they stand, in an empty folder, offline, in the process of the tests."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def blocks(name: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.DOTALL | re.MULTILINE)


NAMES = (
    "README.md",
    "docs/index.md",
    "docs/pictures.md",
    "docs/tuning.md",
    "docs/training.md",
    "docs/evaluating.md",
    "docs/vision-language.md",
    "docs/uses.md",
)


@pytest.mark.parametrize("name", NAMES)
def test_snippets_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snippets, names = blocks(name), {"__name__": "__main__"}
    assert snippets
    for snippet in snippets:
        try:
            exec(snippet, names)
        except Exception as error:
            raise AssertionError(f"this snippet of {name} fails:\n{snippet}") from error


def test_tables_are_filled():
    for name in (
        "README.md",
        "docs/results/demo.md",
        "docs/results/speed.md",
        "docs/results/training.md",
        "docs/results/dense.md",
        "docs/results/dinov2.md",
        "docs/evaluating.md",
    ):
        text = (ROOT / name).read_text()
        for block in re.findall(r"<!-- (\w+):begin -->", text):
            inside = text.split(f"<!-- {block}:begin -->")[1].split(f"<!-- {block}:end -->")[0]
            assert "| --- |" in inside, f"{name}: a command in its text fills it"
