"""`hf-tome demo`: accuracy, speed and a picture at several r, on the embedded model or on the user's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hf_tome.cli import options
from hf_tome.cli.evaluate import show_report

LIMITS = {"image": 500, "audio": 40, "video": 16}  # so that a demo takes minutes on a small machine


def demo(
    modality: Annotated[
        str | None, typer.Option(help="image, audio or video: the embedded model to show.", show_default="image")
    ] = None,
    model: options.OwnModel = None,
    data: Annotated[
        str | None, typer.Option(help="Folder of images, sounds or clips, as the model takes; subfolders name classes.")
    ] = None,
    r: Annotated[list[str] | None, options.r("five steps towards no token left")] = None,
    batch: options.Batch = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Use at most so many.", show_default="500 images; of your own, 40 sounds or 16 clips"),
    ] = None,
    out: Annotated[Path, options.out("The picture of merged groups.")] = Path("hf-tome-demo.png"),
) -> None:
    """Show what token merging costs and buys: accuracy, inputs/s, speed-up, MAC ratio, tokens left."""
    from hf_tome.data.folder import SUFFIXES
    from hf_tome.data.subject import embedded_subject, own_subject
    from hf_tome.errors import ToMeValueError, complaint
    from hf_tome.measure.output import check_out, writing
    from hf_tome.measure.sweep import BATCHES, sweep
    from hf_tome.measure.variants import even_steps, read_r
    from hf_tome.show.sheet import subject_sheet

    check_out(out, SUFFIXES["image"])
    rs = None if r is None else read_r(r)
    if modality and (model or data):
        rule = "--modality names an embedded model, which brings its own data."
        raise ToMeValueError(complaint(rule, f"--modality {modality} beside a model or data", "Leave one of them out."))
    console = Console()
    if model is not None or data is not None:
        subject = own_subject(model, data, limit or LIMITS)
    else:
        subject = embedded_subject(modality or "image", limit or LIMITS["image"])
    batch = batch or BATCHES[subject.classifier.modality]
    data_name, count = subject.samples.name, subject.samples.count
    console.print(f"{subject.name} on {data_name}: {count} {subject.media}, batches of {batch}.", highlight=False)
    rs = rs or even_steps(subject.classifier, subject.inputs(1))
    report = sweep(subject.classifier, subject.samples, rs, batch_size=batch)
    show_report(replace(report, model=subject.name), console)
    with writing(out):
        subject_sheet(subject, [value for value in rs if value][-2:] or rs[:1]).save(out)
    console.print(f"Merged groups of a few {subject.media}: {out}")
