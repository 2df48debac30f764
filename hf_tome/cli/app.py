"""The commands, one file each. A command imports what it needs when it runs, so that `hf-tome doctor` always starts."""

from __future__ import annotations

import typer

from hf_tome.cli.bench import bench
from hf_tome.cli.demo import demo
from hf_tome.cli.doctor import doctor
from hf_tome.cli.evaluate import evaluate
from hf_tome.cli.families import families
from hf_tome.cli.serve import serve
from hf_tome.cli.show import show
from hf_tome.cli.tune import tune

app = typer.Typer(
    name="hf-tome",
    help="Token Merging for Hugging Face Transformers: images, videos and audio.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(demo)
app.command()(show)
app.command("app")(serve)
app.command("eval")(evaluate)
app.command()(bench)
app.command()(tune)
app.command()(families)
app.command()(doctor)
