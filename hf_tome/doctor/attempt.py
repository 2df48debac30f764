"""Try Python code in a child process, so that the crash of a native library cannot end the doctor."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_MARK = "hf_tome.doctor:"
# The child sees this process's sys.path and nothing else: `python -c` alone would also import from the working folder.
_CHILD = f"""
import json, sys
sys.path[:] = json.loads(sys.argv[1])
scope, causes = {{"value": None}}, []
try:
    exec(sys.argv[2], scope)
except BaseException as error:
    while error is not None:
        causes.append(f"{{type(error).__name__}}: {{error}}")
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
sys.__stdout__.write("\\n{_MARK}" + json.dumps([scope["value"], causes]) + "\\n")
"""


@dataclass(frozen=True)
class Attempt:
    """The outcome of running code.

    Attributes:
        value: what the code had assigned to `value`, also where it failed later.
        causes: empty if all went well; else the chain of exceptions, the innermost last.
    """

    value: Any = None
    causes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.causes

    @property
    def text(self) -> str:
        return "\n".join(self.causes)

    @property
    def reason(self) -> str:
        """The innermost cause in one line of at most 200 characters; empty if all went well."""
        line = self.causes[-1].strip().splitlines()[0] if self.causes else ""
        return line if len(line) <= 200 else line[:197] + "..."

    @property
    def missing_libraries(self) -> frozenset[str]:
        """Shared libraries that the loader of Linux or macOS could not find."""
        linux = re.findall(r"([\w.+-]+\.so[\w.]*): cannot open shared object file", self.text)
        macos = re.findall(r"Library not loaded: (?:\S*/)?([\w.+-]+\.dylib)", self.text)
        return frozenset(linux + macos)

    @property
    def misses_cuda(self) -> bool:
        """Whether one of them belongs to CUDA."""
        return any("cuda" in name or name.startswith(("libnv", "libcu")) for name in self.missing_libraries)


def attempt(code: str, seconds: float = 120) -> Attempt:
    """Run `code` in a child process with this interpreter and import path, for at most `seconds`."""
    command = [sys.executable, "-c", _CHILD, json.dumps(sys.path), code]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return Attempt(causes=(f"no answer within {seconds:g} s",))
    except OSError as error:
        return Attempt(causes=(f"the Python interpreter could not be started: {error}",))
    for line in reversed(done.stdout.decode(errors="replace").splitlines()):
        if line.startswith(_MARK):
            value, causes = json.loads(line.removeprefix(_MARK))
            return Attempt(value, tuple(causes))
    if done.returncode >= 0:
        return Attempt(causes=(f"the process ended by itself with code {done.returncode}",))
    killer = next((each.name for each in signal.Signals if each == -done.returncode), f"signal {-done.returncode}")
    return Attempt(causes=(f"the process was killed by {killer}",))


def attempt_import(module: str) -> Attempt:
    """Import `module`; the value is its version, or "" if it does not tell."""
    return attempt(f"import {module}\nvalue = str(getattr({module}, '__version__', ''))")


def folder_of(module: str) -> Path | None:
    """Where the package lies, without importing it; None if there is none, or a folder without `__init__.py`."""
    spec = find_spec(module)
    return Path(spec.origin).parent if spec and spec.origin else None
