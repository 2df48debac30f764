"""`hf-tome app`: a page on this machine to try merging on."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from hf_tome.cli import options


def serve(
    model: options.OwnModel = None,
    port: Annotated[int | None, typer.Option(help="Of the page.", show_default="the first free one from 7860")] = None,
) -> None:
    """Try merging in the browser: move r; see prediction, speed, tokens and picture. Nothing leaves this machine."""
    from hf_tome.show.app import launch, page

    with TemporaryDirectory() as folder:
        blocks = page(model, Path(folder))
        print(f"Open {launch(blocks, port)} in a browser. Ctrl-C ends it.", flush=True)
        blocks.block_thread()
