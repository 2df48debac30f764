"""`hf-tome doctor`: what is wrong with this environment, and the cure."""

from __future__ import annotations

import json
from typing import Any

import typer
from rich.console import Console
from rich.progress import track
from rich.text import Text

from hf_tome.doctor import CHECKS, Finding, Status, diagnose

_STYLES: dict[Status, str] = {"ok": "green", "info": "cyan", "warning": "yellow", "error": "bold red"}


def doctor(
    fix: bool = typer.Option(False, "--fix", help="Mend what can be mended: a CUDA torchaudio beside a CPU torch."),
    as_json: bool = typer.Option(False, "--json", help="Print the findings as JSON."),
) -> None:
    """Check the environment and say the cure of each finding. Exit code 1 if an error remains."""
    findings = _examine()
    mends = [finding.fix() for finding in findings if fix and finding.fix]
    if mends:  # a mend can cure other findings too, so look again
        findings = _examine()
    if as_json:
        typer.echo(json.dumps({"findings": _plain(findings), "mends": _plain(mends)}, indent=2))
    else:
        _print(findings, mends, fix)
    raise typer.Exit(int(any(finding.status == "error" for finding in findings)))


def _examine() -> list[Finding]:
    # On stderr, and gone when done: the report is all that is left on stdout.
    bar = track(diagnose(), "Examining", total=len(CHECKS), console=Console(stderr=True), transient=True)
    return list(bar)


def _plain(findings: list[Finding]) -> list[dict[str, Any]]:
    return [
        {"name": f.name, "status": f.status, "what": f.what, "cure": f.cure, "fixable": f.fix is not None}
        for f in findings
    ]


def _print(findings: list[Finding], mends: list[Finding], fix: bool) -> None:
    console = Console()
    _print_each(console, findings)
    if fix:
        console.print("\n--fix:" if mends else "\n--fix: nothing to mend.", highlight=False)
        _print_each(console, mends)
    errors, warnings = (sum(f.status == status for f in findings) for status in ("error", "warning"))
    console.print(f"\n{errors} error(s), {warnings} warning(s).", highlight=False)


def _print_each(console: Console, findings: list[Finding]) -> None:
    """A line a finding and one for its cure, never wrapped, so that commands and paths can be copied whole."""
    width = max((len(finding.name) for finding in findings), default=0)
    for finding in findings:
        line = Text.assemble(
            (f"{finding.status:<8}", _STYLES[finding.status]), (f"{finding.name:<{width}}  ", "bold"), finding.what
        )
        console.print(line, soft_wrap=True)
        if finding.cure:
            console.print(Text(f"{' ' * (10 + width)}{finding.cure}"), soft_wrap=True)
