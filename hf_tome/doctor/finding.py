"""What a check says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "info", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One sentence about one part of the environment.

    `ok`: works. `info`: optional and absent. `warning`: installed, but untested or partly broken; hf_tome runs.
    `error`: hf_tome, or what it needs of transformers, does not run.
    """

    name: str
    status: Status
    what: str
    cure: str = ""
    fix: Callable[[], Finding] | None = None
    """Carries out the cure and says how that went. None where the user must act."""
