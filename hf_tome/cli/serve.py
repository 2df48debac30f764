"""`hf-tome app`: a page on this machine to try merging on."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer


def serve(
    model: Annotated[
        str | None,
        typer.Option(help="Hub name or folder of a classifier.", show_default="the ones inside the package"),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Of the page.", show_default="the first free one from 7860")] = None,
) -> None:
    """Try merging in the browser: move r; see prediction, speed, tokens and picture. Nothing leaves this machine."""
    from transformers.utils import logging

    from hf_tome.show.app import launch, page

    logging.disable_progress_bar()
    with TemporaryDirectory() as folder:
        blocks = page(model, Path(folder))
        print(f"Open {launch(blocks, port)} in a browser. Ctrl-C ends it.", flush=True)
        blocks.block_thread()
