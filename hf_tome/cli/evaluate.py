"""`hf-tome eval`: what merging costs and gains, on your model and data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hf_tome.cli import options
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from hf_tome.config import ToMeConfig
    from hf_tome.data.encoder import Encoder
    from hf_tome.measure.row import Report

Task = Literal["classification", "zero-shot", "retrieval", "transcription", "features"]

WIDE = 150  # columns that the whole table takes


def evaluate(
    model: options.Model,
    data: options.Data,
    task: Annotated[
        Task,
        typer.Option(help="zero-shot and retrieval take CLIP and its kin; transcription speech; features any encoder."),
    ] = "classification",
    r: Annotated[list[str] | None, options.r("as the model was saved, else five steps towards no token left")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="Other settings of ToMeConfig, as prop_attn=on,off: each r runs with each value."),
    ] = None,
    split: options.Split = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many samples, drawn at random.")] = None,
    media_column: options.MediaColumn = None,
    label_column: options.LabelColumn = None,
    streaming: options.Streaming = False,
    labels: Annotated[
        Path | None, typer.Option(help="zero-shot: a text file with the name of a class in each line.")
    ] = None,
    template: Annotated[
        list[str] | None,
        typer.Option(
            help="zero-shot: a sentence with {} for the class; given again, means of all are taken.",
            show_default="a photo of a {}.",
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="transcription: what is spoken, as en.")] = None,
    with_baselines: Annotated[
        bool,
        typer.Option("--baselines", help="Also the unmerged model compiled, and on smaller images that cost as much."),
    ] = False,
    log_samples: Annotated[
        bool, typer.Option("--log-samples", help="Write changed.csv: samples whose answer changed, with both answers.")
    ] = False,
    batch: options.Batch = None,
    workers: options.Workers = 0,
    skip_bad_files: options.SkipBadFiles = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
    out: Annotated[Path, options.out("Folder for the report, and for what is finished.")] = Path("hf-tome-eval"),
    card: Annotated[Path | None, typer.Option(help="Put the results into the model card in this file.")] = None,
    push: Annotated[bool, typer.Option("--push", help="Put them into the model's card on the hub.")] = False,
) -> None:
    """Measure quality against speed on your model and data. Ctrl-C keeps what is finished; a new call goes on.

    Writes report.md, report.json, report.csv, report.png and model-index.yaml. Under torchrun or accelerate launch,
    the processes share the data.
    """
    from hf_tome.data.pretrained import placed
    from hf_tome.measure.baselines import baselines
    from hf_tome.measure.batches import Batches
    from hf_tome.measure.card import check_push
    from hf_tome.measure.output import open_folder
    from hf_tome.measure.plot import check_plot
    from hf_tome.measure.processes import Processes
    from hf_tome.measure.sweep import sweep
    from hf_tome.measure.tasks import task_of
    from hf_tome.measure.variants import even_steps

    grid(r or ["0"], settings)  # refuses what is wrong before anything is loaded
    if with_baselines and task != "classification":
        raise ToMeValueError(complaint("--baselines are of --task classification.", f"--task {task}", "Leave it out."))
    check_plot(open_folder(out) / "report.png")
    if push:
        check_push(model)
    processes = Processes()
    encoder = loaded(model, task, labels, template, language)
    placed(encoder.model, device or processes.device, dtype)
    choice = {"split": split, "limit": limit, "media_column": media_column, "label_column": label_column}
    choice |= {"streaming": streaming, "skip_bad_files": skip_bad_files}
    samples, saved = task_of(encoder, data, **choice).samples, encoder.saved
    singles = Batches(encoder, samples, 1, skip_bad_files)
    variants: list[Any] = [saved] if saved and saved.merges else []
    if r or not variants:
        variants += grid(r or [str(even_steps(encoder, singles.first()))[1:-1]], settings, saved)
    if with_baselines:
        variants += baselines(encoder, singles.placed(singles.first()), variants)
    reading: dict[str, Any] = {"batch_size": batch, "skip_bad_files": skip_bad_files, "workers": workers}
    report = sweep(encoder, samples, variants, store=out / "finished.sqlite", **reading)
    if processes.main:
        deliver(report, out, card, push, log_samples)
    if not report.finished:
        raise typer.Exit(130)


def loaded(model: str, task: Task, labels: Path | None, templates: list[str] | None, language: str | None) -> Encoder:
    """The model as its task needs it. An option of another task is refused."""
    from hf_tome.data.classifier import load_classifier
    from hf_tome.data.embedder import load_embedder
    from hf_tome.data.image_text import load_image_text
    from hf_tome.data.transcriber import load_transcriber
    from hf_tome.data.zero_shot import TEMPLATE, load_zero_shot, read_labels

    given = {"--labels": labels, "--template": templates, "--language": language}
    own = {"zero-shot": ("--labels", "--template"), "transcription": ("--language",)}.get(task, ())
    if others := [name for name, value in given.items() if value and name not in own]:
        rule = "--labels and --template are of --task zero-shot, --language is of --task transcription."
        raise ToMeValueError(complaint(rule, f"{', '.join(others)} with --task {task}", "Leave it out."))
    if task == "zero-shot":
        if labels is None:
            cure = "Write one class a line, named as the folders or classes of the data: --labels classes.txt."
            raise ToMeValueError(complaint("Zero-shot classes are named by --labels.", "none", cure))
        return load_zero_shot(model, read_labels(labels), templates or [TEMPLATE])
    if task == "transcription":
        return load_transcriber(model, language)
    others = {"retrieval": load_image_text, "features": load_embedder}
    return others.get(task, load_classifier)(model)


def deliver(report: Report, out: Path, card: Path | None, push: bool, log_samples: bool) -> None:
    """Show the report, and write it wherever it is wanted."""
    from hf_tome.measure.card import push_card, write_card
    from hf_tome.measure.export import export

    console = Console()
    show_report(report, console)
    export(report, out, log_samples)
    console.print(f"Report: {out / 'report.md'}", highlight=False, soft_wrap=True)
    if log_samples:
        console.print(f"Changed answers: {len(report.changed)}, in {out / 'changed.csv'}", soft_wrap=True)
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
        if name == "variant":  # breaks at commas in a narrow window
            shown.add_column(name, min_width=max(len(word) for cell in cells for word in cell.split()), overflow="fold")
        else:  # headers break between words, numbers never
            shown.add_column(name, justify="right", width=max(map(len, (*name.split(), *cells))))
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    console.print(f"{summary(report)} {LEGEND}", highlight=False)
    if report.task == "automatic-speech-recognition":
        console.print("Speed-up: of the whole transcription. MAC ratio: of the encoder, where tokens merge.")
    if report.metric is None:
        console.print("No label is known: no folder is named as a class of the model, or no column or row has labels.")


def grid(r: list[str], settings: list[str] | None, saved: ToMeConfig | None = None) -> list[ToMeConfig]:
    """Every r (see `read_r`) with every combination of the other settings, each FIELD=VALUE or FIELD=VALUE,VALUE. What
    is not given is as saved."""
    from itertools import product

    from hf_tome.config import ToMeConfig
    from hf_tome.measure.variants import read_r

    values = {"r": read_r(r)}
    for text in settings or []:
        field, equals, given = text.partition("=")
        if not equals or field == "r":
            cure = "For example --set prop_attn=on,off; the values of r go into --r."
            raise ToMeValueError(complaint("--set takes FIELD=VALUE, several values between commas.", text, cure))
        values[field] = [_value(each.strip()) for each in given.split(",")]
    base = saved or ToMeConfig(r=0)
    return [base.replace(**dict(zip(values, each, strict=True))) for each in product(*values.values())]


def _value(text: str) -> Any:
    """A switch, a number or a name."""
    words = {"on": True, "true": True, "off": False, "false": False, "none": None}
    for read in (int, float):
        with suppress(ValueError):
            return read(text)
    return words.get(text.lower(), text)
