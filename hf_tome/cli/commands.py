"""The commands, one file each. A command imports what it needs when it runs, so that `hf-tome doctor` always starts."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from hf_tome import __version__
from hf_tome.cli.bench import bench
from hf_tome.cli.compare import compare
from hf_tome.cli.demo import demo
from hf_tome.cli.doctor import doctor
from hf_tome.cli.embed import embed
from hf_tome.cli.evaluate import evaluate
from hf_tome.cli.export import export
from hf_tome.cli.families import families
from hf_tome.cli.run import run
from hf_tome.cli.serve import serve
from hf_tome.cli.show import show
from hf_tome.cli.train import train
from hf_tome.cli.tune import tune

app = typer.Typer(name="hf-tome", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(demo)
app.command()(show)
app.command("app")(serve)
app.command("eval")(evaluate)
app.command()(compare)
app.command()(embed)
app.command()(bench)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})(train)
app.command()(tune)
app.command()(export)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(run)
app.command()(families)
app.command()(doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"hf-tome {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Token Merging for Hugging Face Transformers: images, videos and audio."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # nothing from torch's profiler, which reads it
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # no bars for loading weights; transformers reads it
