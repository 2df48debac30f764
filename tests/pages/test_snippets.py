"""Every Python block of every page, in order, in a folder with a user's photo, sound and clip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import requires
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
from checkpoints import offline, own_files
from packaging.requirements import Requirement
from pages import PAGES, blocks_of, extras_of, text_of

WITH_PYTHON = [page for page in PAGES if blocks_of(page, "python")]
LONG = {"docs/deploy.md"}  # pages that compile and export
MODULES = {"scikit-learn": "sklearn", "pillow": "PIL", "hf-tome": "hf_tome"}  # packages that are imported otherwise


def runnable(page: str) -> list[str]:
    """The snippets of a page, without those that need a C++ compiler or OpenVINO where there is none."""
    absent = [*(["aoti"] if which("g++") is None else []), *(["openvino"] if find_spec("openvino") is None else [])]
    return [each for each in blocks_of(page, "python") if not any(name in each for name in absent)]


@pytest.mark.parametrize("page", [page for page in WITH_PYTHON if page not in LONG])
def test_snippets_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own_files(tmp_path)
    names = {"__name__": "__main__"}
    for snippet in runnable(page):
        try:
            exec(offline(snippet, tmp_path), names)
        except Exception as error:
            raise AssertionError(f"this snippet of {page} fails:\n{snippet}") from error


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_PYTHON)
def test_snippets_run_with_the_extras_that_the_page_names(page: str, tmp_path: Path) -> None:
    own_files(tmp_path)
    snippets = [offline(snippet, tmp_path) for snippet in runnable(page)]
    hide = f"import sys; sys.modules.update(dict.fromkeys({sorted(lacking(extras_of(page)))!r}))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([hide, *snippets])],
        cwd=tmp_path,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr


def lacking(extras: set[str]) -> set[str]:
    """The modules that only other extras install."""
    wanted = [Requirement(each) for each in requires("hf_tome") or ()]
    here, elsewhere = set(), set()
    for each in wanted:
        had = each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras))
        (here if had else elsewhere).add(MODULES.get(each.name, each.name.replace("-", "_")))
    return elsewhere - here - {"hf_tome", "pyright", "ruff", "triton", "packaging"}


@pytest.mark.parametrize("page", PAGES)
def test_generated_blocks_are_filled(page: str) -> None:
    text = text_of(page)
    for name in re.findall(r"<!-- ([\w-]+):begin -->", text):
        assert text.count(f"<!-- {name}:end -->") == 1
        inside = text.split(f"<!-- {name}:begin -->")[1].split(f"<!-- {name}:end -->")[0].strip()
        assert inside, f"{page}: {name}"
        assert "ot measured yet" in inside or re.search(r"\| --- \||^- ", inside, re.MULTILINE), f"{page}: {name}"
