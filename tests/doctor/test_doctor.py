"""The whole command, in environments made of real files."""

from __future__ import annotations

import shutil

from environment import CAUSE, COMMAND, Environment, tree


def test_healthy_environment_exits_0_and_names_the_extra_of_what_is_absent(healthy: Environment) -> None:
    code, findings, mends = healthy.doctor()
    assert (code, mends) == (0, [])
    assert {finding["status"] for finding in findings.values()} <= {"ok", "info"}
    assert findings["torch"]["what"] == "2.13.0, CPU build"
    assert findings["torchaudio"]["status"] == "info"
    assert findings["av"]["cure"] == 'pip install "hf_tome[video]"'


def test_text_report_keeps_brackets_and_long_lines(broken: Environment) -> None:
    done = broken.python(COMMAND, "doctor")
    assert done.returncode == 1
    assert 'pip install "hf_tome[audio]"' in done.stdout  # rich would take [audio] for markup
    assert any("CUDA build" in line and CAUSE in line for line in done.stdout.splitlines())
    assert "2 error(s)" in done.stdout


def test_empty_environment_is_reported_not_raised(healthy: Environment) -> None:
    for name in ("torch", "transformers", "numpy", "PIL"):
        shutil.rmtree(healthy.site / name)
    code, findings, _ = healthy.doctor("--fix")
    assert code == 1
    for name in ("torch", "transformers", "numpy", "pillow"):
        assert (findings[name]["status"], findings[name]["what"]) == ("error", "not installed")
        assert findings[name]["cure"].startswith("pip install ")


def test_doctor_imports_nothing_that_can_be_broken(healthy: Environment) -> None:
    for name in ("torch", "transformers", "numpy", "PIL", "torchaudio"):
        shutil.rmtree(healthy.site / name, ignore_errors=True)
        healthy.package(name, "raise RuntimeError('imported')")
    done = healthy.python("import hf_tome.cli.commands, sys; print(sorted(sys.modules))")
    assert done.returncode == 0, done.stderr
    assert "'torch'" not in done.stdout


def test_broken_torchaudio_is_found_and_left_alone_without_fix(broken: Environment) -> None:
    before = tree(broken.site)
    code, findings, mends = broken.doctor()
    assert (code, mends) == (1, [])
    assert findings["torchaudio"]["status"] == findings["transformers"]["status"] == "error"
    assert findings["torchaudio"]["fixable"]
    assert "hf-tome doctor --fix" in findings["torchaudio"]["cure"]
    assert CAUSE in findings["torchaudio"]["what"]
    assert tree(broken.site) == before


def test_left_folder_of_torchaudio_is_an_error(healthy: Environment) -> None:
    (healthy.site / "torchaudio" / "lib").mkdir(parents=True)
    code, findings, _ = healthy.doctor()
    assert code == 1
    assert findings["torchaudio"]["cure"] == f"Delete or rename {healthy.site / 'torchaudio'}."


def test_installed_but_broken_extra_is_a_warning(healthy: Environment) -> None:
    healthy.package("soundfile", "raise OSError('sndfile library not found')")
    code, findings, _ = healthy.doctor()
    assert code == 0
    assert findings["soundfile"]["status"] == "warning"
    assert "sndfile library not found" in findings["soundfile"]["what"]


def test_crash_of_a_native_library_does_not_end_the_doctor(healthy: Environment) -> None:
    healthy.package("torchvision", "import os; os.abort()")
    code, findings, _ = healthy.doctor()
    assert code == 1
    assert findings["torchvision"]["status"] == "error"
    assert "pip uninstall torchvision" in findings["torchvision"]["cure"]
