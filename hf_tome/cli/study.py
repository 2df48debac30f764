"""`hf-tome study`: the paper's comparisons on one model and data, into Markdown, JSON and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table as Grid

if TYPE_CHECKING:
    from hf_tome.study import Study, Table


def study(
    modality: Annotated[
        str | None, typer.Option(help="image, audio or video: the embedded model.", show_default="image")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Hub name or folder of a classifier with its processor.")] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Folder, or data set of the hub; subfolders named as the classes give labels."),
    ] = None,
    r: Annotated[
        int | None, typer.Option(min=1, help="Tokens merged per layer.", show_default="half of the multiply-adds go")
    ] = None,
    tables: Annotated[str | None, typer.Option(help="Some of them, as metric,matching.", show_default="all")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Inputs per batch.", show_default="32 images, 4 sounds, 2 clips")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use at most so many.", show_default="all")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for study.md, .json and .png.")] = Path(
        "hf-tome-study"
    ),
) -> None:
    """Compare the paper's choices, its rivals and schedules at equal multiply-adds. Called again, it goes on."""
    from transformers.utils import logging

    from hf_tome.data.subject import embedded_subject, own_subject
    from hf_tome.errors import ToMeValueError, complaint
    from hf_tome.measure.export import open_folder
    from hf_tome.study import NAMES, READ_ATTENTION
    from hf_tome.study import study as run
    from hf_tome.study.page import intro, verdict, write

    if modality and (model or data):
        rule = "--modality names an embedded model, which brings its own data."
        raise ToMeValueError(complaint(rule, f"--modality {modality} beside a model or data", "Leave one of them out."))
    logging.disable_progress_bar()
    console = Console()
    open_folder(out, "study.md")
    only = [name.strip() for name in tables.split(",")] if tables else NAMES
    told = limit, "eager" if set(only) & set(READ_ATTENTION) else None
    subject = own_subject(model, data, *told) if model or data else embedded_subject(modality or "image", *told)
    found = run(subject, r=r, only=only, batch_size=batch, store=out / "study.sqlite")
    console.print(intro(found), highlight=False)
    for table in found.tables:
        console.print(grid(found, table))
        console.print(verdict(found, table), highlight=False)
    write(found, out)
    console.print("* differs from the default (bold) beyond chance: 0 lies outside the 95 % bootstrap interval.")
    console.print(f"Written: {out}/study.md, study.json and study.png", highlight=False, soft_wrap=True)


def grid(found: Study, table: Table) -> Grid:
    """A table for the terminal."""
    from hf_tome.study.page import thousandths
    from hf_tome.study.run import beyond

    metric = [found.report.metric] if found.report.metric else []
    result = Grid(title=table.title, title_justify="left")
    for name in ("", "paper", *metric, "drift", "speed-up"):
        result.add_column(name, justify="right" if name else "left")
    for choice, row in zip(table.choices, found.rows(table), strict=True):
        result.add_row(
            choice.name,
            "" if choice.paper is None else str(choice.paper),
            *(f"{row.metric:.1%}" for _ in metric),
            f"{thousandths(row.kl)}{'*' if beyond(row) else ' '}",
            f"{row.speedup:.2f}x",
            style="bold" if choice.setting == found.default else "",
        )
    return result
