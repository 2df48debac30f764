"""`hf-tome doctor --fix`: mends the one case it is for, can be undone, and changes nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from environment import CAUSE, COMMAND, EXTENSION, TORCH, Environment, tree

from hf_tome.doctor.attempt import Attempt
from hf_tome.doctor.torchaudio import SUFFIX, extension_in, judge_broken


def test_fix_mends_once_and_can_be_undone(broken: Environment) -> None:
    content = broken.extension.read_bytes()
    code, findings, mends = broken.doctor("--fix")
    assert code == 0
    assert [mend["status"] for mend in mends] == ["ok"]
    assert f"rename {broken.aside} to {EXTENSION}" in mends[0]["cure"]
    assert findings["transformers"]["status"] == findings["torchaudio"]["status"] == "ok"
    assert broken.aside.read_bytes() == content
    assert not broken.extension.exists()

    mended = tree(broken.site)
    code, findings, mends = broken.doctor("--fix")
    assert (code, mends) == (0, [])
    assert "disabled by hf-tome" in findings["torchaudio"]["what"]
    assert tree(broken.site) == mended
    assert "nothing to mend" in broken.python(COMMAND, "doctor", "--fix").stdout

    broken.aside.rename(broken.extension)
    assert broken.doctor()[0] == 1
    assert broken.doctor("--fix")[0] == 0  # again: the new name is not listed twice
    assert broken.record.read_text().count(f"{EXTENSION}{SUFFIX},,") == 1


def test_after_the_mend_an_uninstall_leaves_no_folder(broken: Environment) -> None:
    """transformers would take a left folder for torchaudio."""
    broken.doctor("--fix")
    for line in broken.record.read_text().splitlines():  # what `pip uninstall` does
        (broken.site / line.split(",")[0]).unlink(missing_ok=True)
    assert not [path for path in (broken.site / "torchaudio").rglob("*") if path.is_file()]


def test_fix_without_a_record_of_the_wheel(broken: Environment) -> None:
    shutil.rmtree(broken.record.parent)
    code, findings, _ = broken.doctor("--fix")
    assert (code, findings["torchaudio"]["status"]) == (0, "ok")


def test_fix_leaves_the_record_of_another_copy_alone(
    broken: Environment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    shutil.move(broken.record.parent, elsewhere)
    before = tree(elsewhere)
    done = broken.python(f"import sys; sys.path.append({str(elsewhere)!r}); {COMMAND}", "doctor", "--fix")
    assert done.returncode == 0, done.stderr
    assert tree(elsewhere) == before


def test_fix_after_a_reinstall_replaces_the_old_file(broken: Environment) -> None:
    broken.aside.write_bytes(b"of an older version")
    content = broken.extension.read_bytes()
    assert broken.doctor("--fix")[0] == 0
    assert broken.aside.read_bytes() == content


def test_fix_leaves_a_cuda_torch_alone(broken: Environment) -> None:
    (broken.site / "torch" / "__init__.py").write_text(TORCH.format(cuda="13.0"))
    before = tree(broken.site)
    code, findings, mends = broken.doctor("--fix")
    assert (code, mends) == (1, [])
    assert findings["torch"]["status"] == "info"  # no GPU is visible
    assert not findings["torchaudio"]["fixable"]
    assert "pip uninstall torchaudio" in findings["torchaudio"]["cure"]
    assert tree(broken.site) == before


def test_fix_leaves_another_failure_alone(broken: Environment) -> None:
    (broken.site / "torchaudio" / "__init__.py").write_text("import no_such_module")
    before = tree(broken.site)
    code, findings, mends = broken.doctor("--fix")
    assert (code, mends) == (1, [])
    assert "No module named 'no_such_module'" in findings["torchaudio"]["what"]
    assert tree(broken.site) == before


def test_fix_that_does_not_help_is_taken_back(broken: Environment) -> None:
    init = broken.site / "torchaudio" / "__init__.py"
    init.write_text(init.read_text() + "raise RuntimeError('something else')\n")
    before = tree(broken.site)
    code, _, mends = broken.doctor("--fix")
    assert code == 1
    assert "something else" in mends[0]["what"]
    assert "put back" in mends[0]["what"]
    assert tree(broken.site) == before


@pytest.mark.parametrize("locked", ["extension", "record"])
def test_fix_without_write_permission_changes_nothing(
    broken: Environment, without_privileges: tuple[str, ...], locked: str
) -> None:
    folder = getattr(broken, locked).parent
    before = tree(broken.site)
    folder.chmod(0o555)
    try:
        code, findings, mends = broken.doctor("--fix", prefix=without_privileges)
    finally:
        folder.chmod(0o755)
    assert code == 1
    assert mends[0]["status"] == "error"
    assert "nothing was changed: Permission denied" in mends[0]["what"]
    assert str(folder) in mends[0]["what"]
    assert "as the owner" in mends[0]["cure"]
    assert tree(broken.site) == before


@pytest.mark.parametrize("library", ["_torchaudio.abi3.so", "libtorchaudio.so"])
def test_torchaudio_is_mended_whichever_of_its_libraries_fails(tmp_path: Path, library: str) -> None:
    """Up to 2.10 the message names libtorchaudio.so; without _torchaudio.so it is not loaded."""
    extension = tmp_path / "lib" / "_torchaudio.so"
    tried = Attempt(causes=(f"OSError: Could not load this library: {tmp_path}/lib/{library}", f"OSError: {CAUSE}"))
    assert judge_broken(tried, extension, cpu_torch=True).fix
    assert judge_broken(tried, extension, cpu_torch=False).fix is None
    assert judge_broken(tried, None, cpu_torch=True).fix is None


def test_torchaudio_of_another_version_is_not_mended(tmp_path: Path) -> None:
    library = tmp_path / "lib" / "_torchaudio.so"
    tried = Attempt(causes=(f"OSError: Could not load this library: {library}", "OSError: undefined symbol: _ZN3c10"))
    assert judge_broken(tried, library, cpu_torch=True).fix is None


def test_extension_is_neither_sox_nor_what_was_set_aside(tmp_path: Path) -> None:
    for name in ("_torchaudio_sox.so", f"_torchaudio.so{SUFFIX}", "libtorchaudio.so"):
        (tmp_path / name).touch()
    assert extension_in(tmp_path) is None
    (tmp_path / "_torchaudio.so").touch()
    assert extension_in(tmp_path) == tmp_path / "_torchaudio.so"
