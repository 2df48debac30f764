"""Code in a child process, whatever becomes of that process."""

from __future__ import annotations

import os

import pytest

from hf_tome.doctor.attempt import Attempt, attempt


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
