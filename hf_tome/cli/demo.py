"""`hf-tome demo`: accuracy, speed and a picture at several r, on the embedded models or on the user's own."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from hf_tome.cli import options
from hf_tome.cli.evaluate import show_report
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from hf_tome.data.subject import Subject

Modality = Literal["image", "audio", "video", "all"]

LIMITS = {"image": 500, "audio": 40, "video": 16}  # so that a demo takes minutes on a small machine


def demo(
    modality: Annotated[
        Modality | None, typer.Option(help="Which of the embedded models to show.", show_default="image")
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
    from hf_tome.data.subject import EMBEDDED, embedded_subject, own_subject
    from hf_tome.measure.output import check_out
    from hf_tome.measure.variants import read_r

    check_out(out, SUFFIXES["image"])
    rs = None if r is None else read_r(r)
    if modality and (model or data):
        rule = "--modality names an embedded model, which brings its own data."
        raise ToMeValueError(complaint(rule, f"--modality {modality} beside a model or data", "Leave one of them out."))
    if model is not None or data is not None:
        subjects = [own_subject(model, data, limit or LIMITS)]
    else:
        wanted = EMBEDDED if modality == "all" else [modality or "image"]
        subjects = [embedded_subject(each, limit or LIMITS["image"]) for each in wanted]
    console = Console(highlight=False, markup=False)  # names of files are shown as they are
    for subject in subjects:
        modality_ = subject.classifier.modality
        picture = out.with_stem(f"{out.stem}-{modality_}") if len(subjects) > 1 else out
        show_one(subject, rs, batch, picture, console)
    console.print("\nNext:")
    for command, use in next_commands(model, data):
        console.print(f"  {command}  # {use}", soft_wrap=True)


def show_one(subject: Subject, rs: list[Any] | None, batch: int | None, picture: Path, console: Console) -> None:
    """Say what is run, run it, show the table, and write the picture."""
    from hf_tome.measure.output import writing
    from hf_tome.measure.sweep import BATCHES, sweep
    from hf_tome.measure.variants import even_steps
    from hf_tome.show.sheet import subject_sheet

    rs, batch = rs or even_steps(subject.classifier, subject.inputs(1)), batch or BATCHES[subject.classifier.modality]
    config: Any = subject.model.config
    size = sum(weights.numel() for weights in subject.model.parameters()) / 1e6
    of = f"{subject.name} ({Path(config._name_or_path).name}, {size:.1f} M parameters) on {subject.samples.name}"
    console.print(f"{of}: {subject.samples.count} {subject.media}, batches of {batch}.")
    console.print(f"It runs unmerged, and with r = {str(rs)[1:-1]}: so many tokens merge per layer.")
    report = sweep(subject.classifier, subject.samples, rs, batch_size=batch, progress=sys.stderr.isatty())
    show_report(replace(report, model=subject.name), console)
    with writing(picture):
        subject_sheet(subject, [value for value in rs if value][-2:] or rs[:1]).save(picture)
    console.print(f"Merged groups of a few {subject.media}: {picture}", soft_wrap=True)


def next_commands(model: str | None, data: str | None) -> list[tuple[str, str]]:
    """Three commands to go on with, and what each is for."""
    if model is None or data is None:
        return [
            ("hf-tome demo --modality all", 'sounds and clips too; they need pip install "hf_tome[audio,video]"'),
            ("hf-tome show PHOTO", "what merges in a picture of your own"),
            ("hf-tome eval --model MODEL --data FOLDER", "the same table for your own model and data"),
        ]
    own = f"--model {shlex.quote(model)}"
    return [
        (f"hf-tome eval {own} --data {shlex.quote(data)}", "all of the data, with a report and a plot"),
        (f"hf-tome tune {own} --data {shlex.quote(data)} --target-speedup 2", "r for each layer"),
        (f"hf-tome show FILE {own}", "what merges in one file"),
    ]
