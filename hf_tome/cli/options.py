"""Options that several commands share: each is declared once here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

MODEL = "Hub name or folder of a classifier with its processor."
Model = Annotated[str, typer.Option(help=MODEL)]
OwnModel = Annotated[str | None, typer.Option(help=MODEL, show_default="the one inside the package")]
Data = Annotated[
    str, typer.Option(help="Folder (subfolders named as the classes give labels), or name of a data set on the hub.")
]
Split = Annotated[str | None, typer.Option(help="Split of the data, or subfolder.", show_default="test or validation")]
MediaColumn = Annotated[str | None, typer.Option(help="Column of the media.", show_default="by its type")]
LabelColumn = Annotated[str | None, typer.Option(help="Column of the labels.", show_default="by its type")]
Batch = Annotated[
    int | None, typer.Option(min=1, help="Inputs per batch.", show_default="32 images, 4 sounds, 2 clips")
]
Workers = Annotated[int, typer.Option(min=0, help="Processes that read ahead.")]
Streaming = Annotated[
    bool, typer.Option("--streaming", help="Do not download a data set of the hub; --limit takes the first samples.")
]
SkipBadFiles = Annotated[
    bool, typer.Option("--skip-bad-files", help="Leave out what cannot be read, and rows without a label.")
]
Device = Annotated[str | None, typer.Option(help="As cpu or cuda.", show_default="cuda where there is one")]
Dtype = Annotated[Literal["float32", "float16", "bfloat16"], typer.Option(help="dtype of weights and inputs.")]


def r(default: str, several: bool = True) -> Any:
    """--r of a command: `default` says what is taken without it."""
    text = "Tokens to merge per layer, as in Python: 16, 0.1 or '(16, -1.0)'."
    runs = "8,16 means two runs; a list for one run is written [8,16]." if several else "A list is written [8,16]."
    return typer.Option("--r", help=f"{text} {runs}", show_default=default)


def out(text: str) -> Any:
    """--out of a command; `text` says what is written there."""
    return typer.Option("--out", "-o", help=text)
