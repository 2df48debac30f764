"""Finished measurements, so that none is made twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Results:
    """Finished measurements by name, in a file that is whole at any time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}

    def keep(self, name: str, value: Any) -> None:
        # several processes may be under way at once
        self.found = {**(json.loads(self.file.read_text()) if self.file.exists() else {}), name: value}
        part = self.file.with_suffix(f".{os.getpid()}")
        lines = [f"{json.dumps(each)}: {json.dumps(self.found[each], sort_keys=True)}" for each in sorted(self.found)]
        part.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        part.replace(self.file)
