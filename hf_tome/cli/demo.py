"""`hf-tome demo`: accuracy, speed and a picture at several r, on the embedded model or on the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from hf_tome.report.compare import Row


def demo(
    modality: Annotated[
        str | None, typer.Option(help="image, audio or video: the embedded model to show.", show_default="image")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Hub name or folder of a classifier with its processor.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of images, sounds or clips, as the model takes; subfolders name classes."),
    ] = None,
    r: Annotated[
        list[int] | None,
        typer.Option(
            help="Tokens to merge per layer; repeat for several.", show_default="five steps towards no token left"
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Inputs per batch.", show_default="50 images, 4 sounds, 2 clips")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Use at most so many.", show_default="500 images, 40 sounds, 16 clips")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the picture of merged groups.")] = Path("hf-tome-demo.png"),
) -> None:
    """Show what token merging costs and buys: accuracy, inputs/s, speed-up, MAC ratio, tokens left."""
    from transformers.utils import logging

    from hf_tome.demo import BATCHES, check_picture, embedded_case, own_case, picture
    from hf_tome.errors import ToMeValueError, complaint
    from hf_tome.report.compare import compare

    check_picture(out)
    if modality and (model or data):
        rule = "--modality names an embedded model, which brings its own data."
        raise ToMeValueError(complaint(rule, f"--modality {modality} beside a model or data", "Leave one of them out."))
    logging.disable_progress_bar()
    console = Console()
    case = own_case(model, data, limit) if model or data else embedded_case(modality or "image", limit)
    batch = batch or BATCHES[case.classifier.modality]
    console.print(f"{case.title}: {len(case.media)} {case.name}, batches of {batch}.")
    rs = r or case.steps()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("Comparing", total=case.batch_count(batch))
        rows = compare(case.model, case.batches(batch), rs, done=lambda: progress.advance(task))
    console.print(table(rows, case.name))
    picture(case, [value for value in rs if value][-2:] or rs[:1], out)
    console.print(f"Merged groups of a few {case.name}: {out}")


def table(rows: list[Row], name: str) -> Table:
    """The rows of a comparison of inputs called `name`, for the terminal."""
    labelled = rows[0].correct is not None
    result = Table(caption="speed-up: median of paired batches, quartiles in brackets")
    for column in (
        "r",
        "accuracy" if labelled else "same prediction",
        f"{name}/s",
        "speed-up",
        "MAC ratio",
        "tokens left",
    ):
        result.add_column(column, justify="right")
    for row in rows:
        share = (row.correct or 0) / row.inputs if labelled else row.agreeing / row.inputs
        low, high = row.spread
        result.add_row(
            "off" if row.r is None else str(row.r),
            f"{share:.1%}",
            f"{row.per_second:.0f}" if row.per_second >= 10 else f"{row.per_second:.2g}",
            "1.00x" if row.r is None else f"{row.speedup:.2f}x ({low:.2f} to {high:.2f})",
            f"{row.mac_ratio:.2f}x",
            f"{row.token_counts[-1]} of {row.token_counts[0]}",
        )
    return result
