"""`hf-tome bench`: speed, memory and multiply-adds of one model at several r."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from hf_tome.cli import options
from hf_tome.cli.tables import table
from hf_tome.errors import ToMeError, ToMeValueError, complaint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from hf_tome.measure.vlm import VlmRow

COLUMNS = {  # header: figure of `hf_tome.measure.table`
    "r": "r", "inputs/s": "rate", "one input": "latency", "speed-up": "speed-up", "MAC ratio": "MAC ratio",
    "score": "score", "memory": "memory", "merging": "merging",
}  # fmt: skip
CAPTION = "speed-up: median of paired rounds, quartiles in brackets; score: speed-up / MAC ratio"
VLM_CAPTION = (
    "seconds of the tower with shorten, of the first token, of 32 more, of all; speed-up of all: median of paired "
    "rounds, quartiles in brackets; MACs: how many times fewer"
)


def bench(
    model: Annotated[str | None, typer.Option(help="Hub name or folder of a classifier.")] = None,
    config: Annotated[str | None, typer.Option(help="Full-size model with random weights, as vit-base.")] = None,
    vlm: Annotated[str | None, typer.Option(help="The same of a vision-language model, as llava-1.5-7b.")] = None,
    keep: Annotated[str, typer.Option(help="With --vlm: shares of visual tokens.")] = "1,0.5,0.25",
    depth: Annotated[float, typer.Option(help="With --vlm: share of the layers that are built.")] = 1.0,
    r: Annotated[list[str] | None, options.r("8,16")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Inputs per batch.")] = 8,
    rounds: Annotated[int, typer.Option(min=1, help="How often each variant runs.")] = 10,
    dtype: options.Dtype = "float32",
    attn: Annotated[str, typer.Option(help="Attention implementation.")] = "sdpa",
    device: options.Device = None,
    compiled: Annotated[str | None, typer.Option("--compile", help="Mode of torch.compile, as default.")] = None,
    train: Annotated[bool, typer.Option("--train", help="Measure training steps, not inference.")] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the rows to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw speed-up against MAC ratio.")] = None,
) -> None:
    """Measure what merging gains: paired speed-up against the MAC ratio, latency, memory, overhead."""
    from tqdm.auto import tqdm

    from hf_tome.measure.output import writing
    from hf_tome.measure.plot import check_plot, plot_speed
    from hf_tome.measure.presets import random_inputs
    from hf_tome.measure.speed import measure
    from hf_tome.measure.table import cells
    from hf_tome.measure.variants import read_r

    rs = read_r(r or ["8,16"])
    others = {"--model": model, "--config": config, "--compile": compiled, "--train": train, "--plot": plot}
    if vlm is not None and (given := [name for name, value in others.items() if value]):
        rule = "--vlm measures a question about one image, from tower to answer."
        raise ToMeValueError(complaint(rule, f"{given[0]} with it", f"Leave {given[0]} out."))
    if json_out is not None:
        with writing(json_out):
            json_out.touch()  # refuses what cannot be written before anything is measured
    if plot is not None:
        check_plot(plot)
    console = Console()
    if vlm is not None:
        rows, shown = vlm_rows(vlm, keep, depth, r, rounds, dtype, attn, device)
    else:
        subject = loaded(model, config, attn, dtype, device)
        total, inputs = rounds * (1 if train or batch == 1 else 2), random_inputs(subject, batch)
        with tqdm(total=total, desc="Measuring", leave=False, disable=None) as bar:
            rows = measure(subject, inputs, rs, rounds=rounds, train=train, compiled=compiled, done=bar.update)
        title = f"{model or config or 'vit-base'}, {subject.device}, {dtype}, batch {batch}"
        shown = table(title, COLUMNS, cells(rows, COLUMNS), caption=CAPTION)
    console.print(shown)
    if json_out is not None:
        json_out.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    if plot is not None:
        plot_speed({"hf_tome": rows}, plot)
        console.print(f"Plot: {plot}")


def loaded(model: str | None, config: str | None, attn: str, dtype: str, device: str | None) -> PreTrainedModel:
    """The model to measure, on its device."""
    from hf_tome.data.classifier import load_classifier
    from hf_tome.data.pretrained import placed
    from hf_tome.measure.presets import build

    if model and config:
        rule = "--model is a model of your own, --config a full-size one with random weights."
        raise ToMeValueError(complaint(rule, f"--model {model} --config {config}", "Give one of them."))
    try:
        subject: Any = load_classifier(model, attn).model if model else build(config or "vit-base", attn)
    except ToMeError:
        raise
    except (ValueError, ImportError) as error:
        got = f"--attn {attn} ({str(error).splitlines()[0]})"
        raise ToMeValueError(complaint("--attn names what this machine has.", got, "For example sdpa.")) from error
    return placed(subject, device, dtype).eval()


def vlm_rows(
    vlm: str, keep: str, depth: float, r: list[str] | None, rounds: int, dtype: str, attn: str, device: str | None
) -> tuple[list[VlmRow], Table]:
    """The measurements, and how they are shown. The arguments are those of `bench`."""
    from hf_tome.data.pretrained import placed
    from hf_tome.measure.variants import read_one_r
    from hf_tome.measure.vlm import measure_vlm, vlm_table
    from hf_tome.measure.vlm_presets import build_vlm, question

    try:
        keeps = [float(part) for part in keep.split(",")]
    except ValueError as error:
        rule = "--keep is shares in (0, 1], with commas between."
        raise ToMeValueError(complaint(rule, keep, "For example --keep 1,0.5,0.25.")) from error
    model = placed(build_vlm(vlm, attn, depth), device, dtype)
    chosen = read_one_r(r[0]) if r else None
    with Console().status("Measuring"):
        rows = measure_vlm(model, question(vlm, model), keeps, chosen, rounds=rounds)
    title = f"{vlm}, {model.device}, {dtype}" + ("" if depth == 1 else f", {depth:g} of the layers")
    header, cells = vlm_table(rows)
    return rows, table(title, header, cells, caption=VLM_CAPTION, box=None, padding=(0, 1, 0, 0))
