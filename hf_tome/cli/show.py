"""`hf-tome show`: what a model merges in one image, sound or video."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hf_tome.cli import options
from hf_tome.cli.tables import table


def show(
    file: Annotated[Path, typer.Argument(help="An image, a sound or a video.")],
    model: options.OwnModel = None,
    r: Annotated[str | None, options.r("most tokens merge", several=False)] = None,
    inflection: Annotated[
        float | None, typer.Option(help="From -1 (falling) to 1 (rising) over the layers; r is an integer then.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="After how many layers.", show_default="all of them", min=0)] = None,
    fps: Annotated[float, typer.Option(help="Frames per second of an animation.", min=0.1)] = 8.0,
    out: Annotated[Path, options.out("png, jpg, webp, html; of a video also gif, mp4.")] = Path("hf-tome-show.png"),
) -> None:
    """Show which patches of one file became one token, and what the model says of it."""
    from hf_tome.measure.output import check_out
    from hf_tome.measure.variants import read_one_r
    from hf_tome.show import time_spans
    from hf_tome.show.look import classifier_for, forms_of, kind_of, look, write

    kind = kind_of(file)
    check_out(out, forms_of(kind))
    text = r if inflection is None else f"({r}, {inflection})"
    setting = None if text is None else read_one_r(text)
    classifier = classifier_for(kind, model)
    found = look(classifier, classifier.read(file), setting, file.name)
    write(found, out, layer, fps)
    console = Console()
    console.print(f"{file.name}: {found.summary}", highlight=False, soft_wrap=True)
    if kind == "video":
        header = "steps in time", "groups", "patches"
        rows = [tuple(map(str, astuple(span))) for span in time_spans(found.trace, layers=layer)]
        console.print(table("How far groups reach in time", header, rows, title_justify="left"))
    console.print(f"Groups: {out}", highlight=False, soft_wrap=True)
