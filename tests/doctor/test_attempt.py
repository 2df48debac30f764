"""Code in a child process, whatever becomes of that process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hf_tome.doctor.attempt import Attempt, attempt, attempt_import


def test_attempt_tells_value_and_chain_of_causes() -> None:
    assert attempt("print('noise'); value = [1, 'é']") == Attempt([1, "é"])
    tried = attempt("value = 3\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise OSError('outer') from e")
    assert (tried.value, tried.causes) == (3, ("OSError: outer", "ZeroDivisionError: division by zero"))
    assert tried.reason == "ZeroDivisionError: division by zero"
    assert len(Attempt(causes=("x" * 1000,)).reason) == 200


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_attempt_names_the_signal_that_killed_the_child() -> None:
    assert attempt("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)").reason.endswith("killed by SIGSEGV")


def test_attempt_survives_silent_exits_and_hangs() -> None:
    assert attempt("import os; os._exit(3)").reason == "the process ended by itself with code 3"
    assert attempt("import time; time.sleep(60)", seconds=0.5).reason == "no answer within 0.5 s"


def test_attempt_imports_from_where_this_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the working folder, torch.py perhaps, is not what the user's programs import."""
    (tmp_path / "only_here.py").write_text("__version__ = '1.2'")
    monkeypatch.chdir(tmp_path)
    assert not attempt_import("only_here").ok
    monkeypatch.syspath_prepend(tmp_path)
    assert attempt_import("only_here") == Attempt("1.2")
