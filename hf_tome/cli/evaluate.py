"""`hf-tome eval`: what merging costs and gains, on a model and data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hf_tome.cli import options

if TYPE_CHECKING:
    from hf_tome.config import ToMeConfig
    from hf_tome.measure.row import Report

WIDE = 140  # columns that the whole table takes


def evaluate(
    model: options.Model,
    data: options.Data,
    r: Annotated[list[str] | None, options.r("five steps towards no token left")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Other settings of ToMeConfig, as prop_attn=on,off: each r runs with each value."),
    ] = None,
    split: options.Split = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many samples, drawn at random.")] = None,
    media_column: options.MediaColumn = None,
    label_column: options.LabelColumn = None,
    batch: options.Batch = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that read ahead.")] = 0,
    skip_bad_files: Annotated[bool, typer.Option("--skip-bad-files", help="Leave out what cannot be read.")] = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    out: Annotated[Path, options.out("Folder for the report, and for what is finished.")] = Path("hf-tome-eval"),
    card: Annotated[Path | None, typer.Option(help="Put the results into the model card in this file.")] = None,
    push: Annotated[bool, typer.Option("--push", help="Put them into the model's card on the hub.")] = False,
) -> None:
    """Measure accuracy against speed on your model and data. Ctrl-C keeps what is finished; a new call goes on.

    Writes report.md, report.json, report.csv, report.png and model-index.yaml. Under torchrun or accelerate launch,
    the processes share the data.
    """
    from hf_tome.data.classifier import load_classifier
    from hf_tome.data.samples import samples_of
    from hf_tome.measure.batches import Batches
    from hf_tome.measure.card import check_push
    from hf_tome.measure.output import open_folder
    from hf_tome.measure.plot import check_plot
    from hf_tome.measure.processes import Processes
    from hf_tome.measure.sweep import sweep
    from hf_tome.measure.variants import even_steps

    grid(r or ["0"], settings)  # refuses what is wrong before anything is loaded
    check_plot(open_folder(out) / "report.png")
    if push:
        check_push(model)
    processes = Processes()
    classifier = load_classifier(model)
    options.place(classifier.model, device or str(processes.device), dtype)
    samples = samples_of(
        data, classifier, split=split, limit=limit, media_column=media_column, label_column=label_column
    )
    steps = r or [str(even_steps(classifier, Batches(classifier, samples, 1, skip_bad_files).first()))[1:-1]]
    report = sweep(
        classifier,
        samples,
        grid(steps, settings),
        batch_size=batch,
        store=out / "finished.sqlite",
        skip_bad_files=skip_bad_files,
        workers=workers,
    )
    if processes.main:
        deliver(report, out, card, push)
    if not report.finished:
        raise typer.Exit(130)


def deliver(report: Report, out: Path, card: Path | None, push: bool) -> None:
    """Show the report, and write it wherever it is wanted."""
    from hf_tome.measure.card import push_card, write_card
    from hf_tome.measure.export import export

    console = Console()
    show_report(report, console)
    export(report, out)
    console.print(f"Report: {out / 'report.md'}", highlight=False, soft_wrap=True)
    if not report.finished:
        console.print("The same command goes on from here.")
        return
    if card is not None:
        write_card(card, report)
        console.print(f"Model card: {card}", highlight=False, soft_wrap=True)
    if push:
        console.print(f"Model card: {push_card(report)}", highlight=False, soft_wrap=True)


def show_report(report: Report, console: Console) -> None:
    """The rows of a sweep as a table; on a narrow terminal without the columns that matter least."""
    from hf_tome.measure.table import LEGEND, summary, table

    header, rows = table(report, brief=console.width < WIDE)
    shown = Table(title=f"{report.model} on {report.data}", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, *cells in zip(header, *rows, strict=True):
        first = name == "variant"  # in a narrow window it breaks at commas, and headers between words; numbers never
        least = max(len(word) for word in (*name.split(), *([] if first else cells)))
        shown.add_column(name, justify="left" if first else "right", min_width=least)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    console.print(f"{summary(report)} {LEGEND}", highlight=False)
    if report.metric is None:
        console.print("No label is known: no folder is named as a class of the model, or there is no such column.")


def grid(r: list[str], settings: list[str] | None) -> list[ToMeConfig]:
    """Every r with every combination of the other settings.

    Args:
        r: see `read_r`.
        settings: each FIELD=VALUE, or FIELD=VALUE,VALUE.

    Raises:
        ToMeError: if one of them is not what `ToMeConfig` takes.
    """
    from itertools import product

    from hf_tome.config import ToMeConfig
    from hf_tome.errors import ToMeValueError, complaint

    values = {"r": options.read_r(r)}
    for text in settings or []:
        field, equals, given = text.partition("=")
        if not equals or field == "r":
            cure = "For example --set prop_attn=on,off; the values of r go into --r."
            raise ToMeValueError(complaint("--set takes FIELD=VALUE, several values between commas.", text, cure))
        values[field] = [_value(each.strip()) for each in given.split(",")]
    return [ToMeConfig.from_dict(dict(zip(values, each, strict=True))) for each in product(*values.values())]


def _value(text: str) -> Any:
    """A switch, a number or a name."""
    words = {"on": True, "true": True, "off": False, "false": False, "none": None}
    return words.get(text.lower(), int(text) if text.lstrip("-").isdecimal() else text)
