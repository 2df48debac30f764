"""`hf-tome tune`: the r of each layer for a goal, on your model and data."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from hf_tome.cli import options
from hf_tome.cli.tables import table
from hf_tome.errors import ToMeValueError, complaint

if TYPE_CHECKING:
    from hf_tome.data.classifier import Classifier
    from hf_tome.data.samples import Samples
    from hf_tome.tune import Tuned

COLUMNS = {"schedule": "name", "MAC ratio": "MAC ratio", "KL divergence": "KL", "same prediction": "agreement"}
LIMITS = {"image": 64, "audio": 32, "video": 16}  # so that a search takes minutes on a small machine


def tune(
    model: options.Model,
    data: options.Data,
    target_speedup: Annotated[float | None, typer.Option(help="Least drift at this MAC ratio, as 2.0.")] = None,
    max_drop: Annotated[
        float | None, typer.Option(help="Or fewest multiply-adds that lose so many points of accuracy.")
    ] = None,
    max_kl: Annotated[float | None, typer.Option(help="Or fewest with this KL divergence, in nats, as 0.01.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Inputs to choose by; as many others are held out.",
            show_default="64 images, 32 sounds, 16 clips",
        ),
    ] = None,
    split: options.Split = None,
    media_column: options.MediaColumn = None,
    label_column: options.LabelColumn = None,
    streaming: options.Streaming = False,
    skip_bad_files: options.SkipBadFiles = False,
    device: options.Device = None,
    batch: options.Batch = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Try at most so many schedules.", show_default="12 a layer")
    ] = None,
    searcher: Annotated[str, typer.Option(help="greedy, or optuna.")] = "greedy",
    save: Annotated[Path | None, typer.Option(help="Write the model with its schedule to this new folder.")] = None,
    store: Annotated[Path, typer.Option(help="File that keeps finished trials.")] = Path("hf-tome-tune.sqlite"),
) -> None:
    """Choose r for each layer, so that the predictions change least. Needs no labels."""
    from hf_tome.data.classifier import load_classifier
    from hf_tome.data.pretrained import placed
    from hf_tome.data.samples import samples_of
    from hf_tome.measure.sweep import BATCHES
    from hf_tome.measure.table import cells
    from hf_tome.tune import Goal
    from hf_tome.tune.report import drawn, judged, remarks

    goal = {"target_speedup": target_speedup, "max_drop": max_drop, "max_kl": max_kl}
    wanted = Goal(**goal)
    check_folder(save)
    console = Console()
    classifier = load_classifier(model)
    placed(classifier.model, device)
    most, size = limit or LIMITS[classifier.modality], batch or BATCHES[classifier.modality]
    choice = {"split": split, "media_column": media_column, "label_column": label_column, "streaming": streaming}
    choice |= {"limit": 2 * most if streaming else None, "skip_bad_files": skip_bad_files}
    samples = samples_of(data, classifier, **choice)
    check_labels(samples, max_drop)
    calibration, held_out = drawn(classifier, samples, most, size, skip_bad_files)
    kept = {} if classifier.saved is None else classifier.saved.to_dict()
    settings = {name: value for name, value in kept.items() if name != "r"}
    best = searched(classifier, calibration, store, {**settings, **goal, "trials": trials, "searcher": searcher})
    console.print(f"apply_tome(model, r={best.r})", highlight=False, soft_wrap=True)
    for name, batches in {"chosen by": calibration, "held out": held_out}.items():
        if batches:
            rows = judged(classifier, best, batches)
            columns = COLUMNS | ({} if rows[0].metric is None else {"accuracy": "metric"})
            title = f"On {sum(len(next(iter(batch.values()))) for batch in batches)} inputs, {name}"
            console.print(table(title, columns, cells(rows, columns), title_justify="left"))
            for remark in remarks(wanted, rows, name == "held out"):
                console.print(f"[yellow]{remark}[/]", highlight=False, soft_wrap=True)
    if save is not None:
        write(classifier, model, best, save)
        console.print(f"Saved: {save}. apply_tome(model) takes the schedule from there.", soft_wrap=True)


def searched(classifier: Classifier, calibration: list[dict[str, Any]], store: Path, options: dict[str, Any]) -> Tuned:
    """The search under a progress bar. Ctrl-C ends the command with the best so far."""
    from tqdm.auto import tqdm

    from hf_tome.tune.choose import TRIALS_PER_LAYER
    from hf_tome.tune.report import tune_kept

    last: list[Tuned] = []
    with tqdm(desc="First forward", unit="schedule", leave=False, disable=None) as bar:

        def done(best: Tuned) -> None:
            last[:] = [best]
            if bar.total is None:
                bar.reset(options["trials"] or TRIALS_PER_LAYER * best.space.layers)
            bar.set_description(f"Best: {best.mac_ratio:.2f}x, KL {best.trial.kl:.2g}", refresh=False)
            bar.update(len(best.known) - 1 - bar.n)

        with suppress(KeyboardInterrupt):
            return tune_kept(classifier, calibration, store, done, **options)
    console = Console(highlight=False, soft_wrap=True)
    for best in last:
        about = f"MAC ratio {best.mac_ratio:.2f}x, KL divergence {best.trial.kl:.2g}"
        console.print(f"Interrupted. The best of {len(best.known) - 1} schedules: {about}.")
        console.print(f"apply_tome(model, r={best.r})")
        console.print(f"Finished trials are in {store}: the same command goes on from there.")
    raise typer.Exit(130)


def check_labels(samples: Samples, max_drop: float | None) -> None:
    """Refuse a bound on accuracy where samples have no labels, or several each."""
    if max_drop is not None and (samples.labels is None or samples.several):
        rule = "--max-drop needs one label for each input: subfolders named as the model's classes, or a column."
        got = f"{samples.name} with " + ("several labels for an input" if samples.several else "no labels")
        raise ToMeValueError(complaint(rule, got, "Use --max-kl or --target-speedup, which need none."))


def check_folder(save: Path | None) -> None:
    """Refuse a place where no model can be saved, before any work is done."""
    if save is None or (save.is_dir() and not any(save.iterdir())):
        return
    if save.exists() or not save.absolute().parent.is_dir():
        rule = "--save is a folder that is new or empty, in one that exists."
        raise ToMeValueError(complaint(rule, str(save), "Choose another name."))


def write(classifier: Classifier, name: str, best: Tuned, folder: Path) -> None:
    """Save the model with its schedule, in the dtype that it was stored in, and its processor."""
    from transformers import AutoConfig

    from hf_tome.api import apply_tome

    model: Any = apply_tome(classifier.model, config=best.config)
    model.to(AutoConfig.from_pretrained(name).dtype or model.dtype).save_pretrained(folder)
    classifier.processor.save_pretrained(folder)
