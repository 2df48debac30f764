"""`hf-tome show`: what a model merges in one image, sound or video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table


def show(
    file: Annotated[Path, typer.Argument(help="An image, a sound or a video.")],
    model: Annotated[
        str | None,
        typer.Option(help="Hub name or folder of a classifier.", show_default="the one inside the package"),
    ] = None,
    r: Annotated[
        str | None,
        typer.Option(help="As 16; 0.1 for a share; 12,0,7 for each layer.", show_default="most tokens merge"),
    ] = None,
    inflection: Annotated[
        float | None, typer.Option(help="From -1 (falling) to 1 (rising) over the layers; r is an integer then.")
    ] = None,
    layer: Annotated[int | None, typer.Option(help="After how many layers.", show_default="all of them", min=0)] = None,
    fps: Annotated[float, typer.Option(help="Frames per second of an animation.", min=0.1)] = 8.0,
    out: Annotated[Path, typer.Option("--out", "-o", help="png, jpg, webp, html; of a video also gif, mp4.")] = Path(
        "hf-tome-show.png"
    ),
) -> None:
    """Show which patches of one file became one token, and what the model says of it."""
    from transformers.utils import logging

    from hf_tome.show.look import check_out, classifier_for, kind_of, look, write

    kind = kind_of(file)
    check_out(out, kind)
    schedule = parsed(r, inflection)
    logging.disable_progress_bar()
    console = Console()
    classifier = classifier_for(kind, model)
    found = look(classifier, classifier.read(file), schedule, file.name)
    write(found, out, layer, fps)
    console.print(f"{file.name}: {found.summary}", highlight=False, soft_wrap=True)
    if kind == "video":
        from hf_tome.show.video import time_spans

        table = Table(title="How far groups reach in time", title_justify="left")
        for column in ("steps in time", "groups", "patches"):
            table.add_column(column, justify="right")
        for span in time_spans(found.trace, layers=layer):
            table.add_row(str(span.steps), str(span.groups), str(span.patches))
        console.print(table)
    console.print(f"Groups: {out}", highlight=False, soft_wrap=True)


def parsed(r: str | None, inflection: float | None) -> int | float | list[int] | tuple[int, float] | None:
    """The value of --r as `apply_tome` takes it.

    Raises:
        ToMeValueError: if it is none, or --inflection comes without an integer.
    """
    from hf_tome.errors import ToMeValueError, complaint

    try:
        if inflection is not None:
            return int(r or ""), inflection
        if r is None:
            return None
        if "," in r:
            return [int(each) for each in r.split(",")]
        return float(r) if "." in r else int(r)
    except ValueError as error:
        rule = "--r is an integer, a share as 0.1, or one integer for each layer between commas."
        got = f"--r {r}" + ("" if inflection is None else f" --inflection {inflection}")
        raise ToMeValueError(complaint(rule, got, "For example --r 16, or --r 16 --inflection -1.")) from error
