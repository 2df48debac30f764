"""`hf-tome doctor`: what is wrong with this environment, and the cure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.progress import track
from rich.text import Text

from hf_tome.doctor import CHECKS, Finding, Status, diagnose

STYLES: dict[Status, str] = {"ok": "green", "info": "cyan", "warning": "yellow", "error": "bold red"}


def doctor(
    fix: bool = typer.Option(False, "--fix", help="Mend what can be mended: a CUDA torchaudio beside a CPU torch."),
    as_json: bool = typer.Option(False, "--json", help="Print the findings as JSON."),
) -> None:
    """Check the environment and say the cure of each finding. Exit code 1 if an error remains."""
    findings = _examined()
    mends = [finding.fix() for finding in findings if fix and finding.fix]
    if mends:  # a mend can cure other findings too, so look again
        findings = _examined()
    count = {status: sum(finding.status == status for finding in findings) for status in STYLES}
    if as_json:
        typer.echo(json.dumps({"findings": _plain(findings), "mends": _plain(mends)}, indent=2))
    else:
        console = Console(highlight=False, soft_wrap=True)  # unwrapped, so that commands and paths can be copied whole
        _print(console, findings)
        if fix:
            console.print("\n--fix:" if mends else "\n--fix: nothing to mend.")
            _print(console, mends)
        console.print(f"\n{count['error']} error(s), {count['warning']} warning(s).")
    raise typer.Exit(int(count["error"] > 0))


def _examined() -> list[Finding]:
    # On stderr, and gone when done: the report is all that is left on stdout.
    return list(track(diagnose(), "Examining", total=len(CHECKS), console=Console(stderr=True), transient=True))


def _plain(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    keys = "name", "status", "what", "cure"
    return [{key: getattr(each, key) for key in keys} | {"fixable": each.fix is not None} for each in findings]


def _print(console: Console, findings: Sequence[Finding]) -> None:
    """A line for each finding and one for its cure."""
    width = max((len(finding.name) for finding in findings), default=0)
    for each in findings:
        status = f"{each.status:<8}", STYLES[each.status]
        console.print(Text.assemble(status, (f"{each.name:<{width}}  ", "bold"), each.what))
        if each.cure:
            console.print(Text(f"{' ' * (10 + width)}{each.cure}"))
