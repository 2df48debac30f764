"""The command line: `hf-tome`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run `hf-tome`. Errors of hf_tome are printed as one message, without a traceback."""
    try:
        import typer  # noqa: F401
        from rich import print as show
        from rich.markup import escape
    except ImportError as error:
        sys.exit(f'hf-tome needs the extra [cli] ({error.name} is missing). Run: pip install "hf_tome[cli]"')
    from hf_tome.cli.commands import app
    from hf_tome.errors import ToMeError

    try:
        app()
    except ToMeError as error:
        show(f"[bold red]Error:[/] {escape(str(error))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
