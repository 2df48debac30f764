"""`hf-tome demo`: accuracy, speed and a picture at several r, on the embedded model or on the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hf_tome.cli.evaluate import show_report


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
        int | None,
        typer.Option(min=1, help="Use at most so many.", show_default="500 images; of your own, 40 sounds or 16 clips"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where to write the picture of merged groups.")] = Path("hf-tome-demo.png"),
) -> None:
    """Show what token merging costs and buys: accuracy, inputs/s, speed-up, MAC ratio, tokens left."""
    from transformers.utils import logging

    from hf_tome.data.subject import embedded_subject, own_subject
    from hf_tome.errors import ToMeValueError, complaint
    from hf_tome.measure.sweep import sweep
    from hf_tome.measure.variants import even_steps
    from hf_tome.show.demo import BATCHES, LIMITS, check_picture, picture

    check_picture(out)
    if modality and (model or data):
        rule = "--modality names an embedded model, which brings its own data."
        raise ToMeValueError(complaint(rule, f"--modality {modality} beside a model or data", "Leave one of them out."))
    logging.disable_progress_bar()
    console = Console()
    if model is not None or data is not None:
        subject = own_subject(model, data, limit or LIMITS)
    else:
        subject = embedded_subject(modality or "image", limit or LIMITS["image"])
    batch = batch or BATCHES[subject.classifier.modality]
    data_name, count = subject.samples.name, subject.samples.count
    console.print(f"{subject.name} on {data_name}: {count} {subject.media}, batches of {batch}.", highlight=False)
    rs = r or even_steps(subject.classifier, subject.inputs(1))
    show_report(sweep(subject.classifier, subject.samples, rs, batch_size=batch), console)
    picture(subject, [value for value in rs if value][-2:] or rs[:1], out)
    console.print(f"Merged groups of a few {subject.media}: {out}")
