"""What the evidence means: each check on versions, messages and programs as they were seen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hf_tome
from hf_tome.doctor.attempt import Attempt
from hf_tome.doctor.packages import (
    EXTRAS,
    TORCH_FACTS,
    TRANSFORMERS_USE,
    judge_torch,
    judge_torchcodec,
    judge_transformers,
)
from hf_tome.doctor.system import check_compiler, check_ffmpeg, check_python


@pytest.mark.parametrize(("version", "status"), [((3, 9, 18), "error"), ((3, 10, 0), "ok"), ((4, 0, 0), "ok")])
def test_python(version: tuple[int, ...], status: str) -> None:
    assert check_python(version).status == status


@pytest.mark.parametrize(
    ("version", "status"),
    [("4.57.1", "error"), ("5.9.2", "error"), ("5.10.0", "ok"), ("5.23.1", "ok"), ("5.24.0.dev0", "warning")],
)
def test_transformers_range(version: str, status: str) -> None:
    assert judge_transformers(Attempt(version)).status == status


def test_transformers_that_cannot_be_imported() -> None:
    finding = judge_transformers(Attempt("5.23.0", ("ModuleNotFoundError: No module named 'httpx'",)))
    assert finding.status == "error"
    assert "No module named 'httpx'" in finding.what


@pytest.mark.parametrize(
    ("build", "gpu", "mps", "status", "said"),
    [
        (None, None, False, "ok", "2.13.0, CPU build"),
        (None, None, True, "ok", "2.13.0, CPU build, MPS available"),
        ("CUDA 13.0", "a GPU", False, "ok", "2.13.0, CUDA 13.0 build, a GPU"),
        ("CUDA 13.0", None, False, "info", "2.13.0, CUDA 13.0 build, but no GPU is visible: it runs on the CPU"),
    ],
)
def test_torch(build: str | None, gpu: str | None, mps: bool, status: str, said: str) -> None:
    finding = judge_torch(Attempt({"version": "2.13.0", "build": build, "gpu": gpu, "mps": mps}))
    assert (finding.status, finding.what) == (status, said)


def test_what_is_asked_of_torch_and_transformers_holds_here() -> None:
    scope: dict[str, Any] = {}
    exec(TORCH_FACTS, scope)
    assert judge_torch(Attempt(scope["value"])).status in ("ok", "info")
    exec(TRANSFORMERS_USE, scope)
    assert judge_transformers(Attempt(scope["value"])).status in ("ok", "warning")


def _cannot_open(*names: str) -> str:
    return "\n".join(f"OSError: {name}: cannot open shared object file: No such file or directory" for name in names)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (_cannot_open("libavutil.so.60", "libavutil.so.59"), "FFmpeg are missing"),
        (_cannot_open("libnvrtc.so.13"), "CUDA build, and libnvrtc.so.13"),
        (_cannot_open("libavutil.so.60") + "\nOSError: core5.so: undefined symbol: _ZN3c10", "another torch"),
        ("OSError: dlopen: Library not loaded: @rpath/libavutil.59.dylib", "FFmpeg are missing"),
        ("RuntimeError: Could not load libtorchcodec.", "Could not load libtorchcodec."),
    ],
)
def test_torchcodec_causes(message: str, why: str) -> None:
    finding = judge_torchcodec(Attempt(causes=(message,)))
    assert finding.status == "warning"
    assert why in finding.what
    assert "pip uninstall torchcodec" in finding.cure


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a shell script on an otherwise empty PATH."""
    if os.name != "posix":
        pytest.skip("needs a POSIX shell")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)

    def put(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    return put


def test_ffmpeg(program: Callable[[str, str], None]) -> None:
    assert check_ffmpeg().status == "info"
    program("ffmpeg", "echo ffmpeg version 5.1.9 Copyright the developers; echo built with gcc")
    assert (check_ffmpeg().status, check_ffmpeg().what) == ("ok", "5.1.9")
    program("ffmpeg", "exit 127")
    assert check_ffmpeg().status == "warning"


def test_compiler(program: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    usual = "clang++" if sys.platform == "darwin" else "g++"
    assert check_compiler().status == "info"
    assert usual in check_compiler().what
    program(usual, "echo a compiler 12.2")
    assert "a compiler 12.2" in check_compiler().what
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert check_compiler().status == "info"
    assert "CXX" in check_compiler().cure


def test_extras_are_those_of_pyproject() -> None:
    tomllib = pytest.importorskip("tomllib")
    file = Path(hf_tome.__file__).parents[1] / "pyproject.toml"
    offered = tomllib.loads(file.read_text())["project"]["optional-dependencies"]
    for package, _, extra, _ in EXTRAS:
        assert package in [requirement.split(">")[0] for requirement in offered[extra]]
    known = {package for package, _, extra, _ in EXTRAS if extra != "app"}  # which is gradio with other extras
    assert known == {
        package for name in ("audio", "video", "train", "eval", "tune", "viz") for package in offered[name]
    }
