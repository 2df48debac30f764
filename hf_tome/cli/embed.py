"""`hf-tome embed`: features of a whole data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from hf_tome.cli import options


def embed(
    model: Annotated[str, typer.Argument(help="Hub name or folder of any supported encoder with its processor.")],
    data: Annotated[str, typer.Argument(help="Folder of images, sounds or clips, or name of a data set on the hub.")],
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    r: Annotated[str | None, options.r("as the model was saved, else 0: no merging", several=False)] = None,
    features: Annotated[
        Literal["pooled", "patches"], typer.Option(help="One vector a sample, or one a patch or time step.")
    ] = "pooled",
    split: options.Split = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use so many samples, drawn at random.")] = None,
    media_column: options.MediaColumn = None,
    label_column: options.LabelColumn = None,
    streaming: options.Streaming = False,
    batch: options.Batch = None,
    workers: options.Workers = 0,
    skip_bad_files: options.SkipBadFiles = False,
    device: options.Device = None,
    dtype: options.Dtype = "float32",
) -> None:
    """Write the features of every sample to a Parquet file. Ctrl-C keeps what is finished; a new call goes on.

    Under torchrun or accelerate launch, the processes share the data.
    """
    from hf_tome.data.embedder import load_embedder
    from hf_tome.data.folder import NAMES
    from hf_tome.data.pretrained import placed
    from hf_tome.measure.embed import embed as embed_all
    from hf_tome.measure.embed import unfinished
    from hf_tome.measure.parquet import check_parquet
    from hf_tome.measure.processes import Processes
    from hf_tome.measure.variants import read_one_r

    setting = None if r is None else read_one_r(r)  # refuses what is wrong before anything is loaded
    check_parquet(out)
    processes = Processes()
    embedder = load_embedder(model, features)
    placed(embedder.model, device or processes.device, dtype)
    choice: dict[str, Any] = {"split": split, "limit": limit, "streaming": streaming}
    choice |= {"media_column": media_column, "label_column": label_column}
    reading: dict[str, Any] = {"batch_size": batch, "skip_bad_files": skip_bad_files, "workers": workers}
    found = embed_all(embedder, data, out, setting, **choice, **reading)
    if not processes.main:
        return
    console, things = Console(soft_wrap=True, highlight=False), NAMES[embedder.modality]
    before, after = found.token_counts[0], found.token_counts[-1]
    if found.fresh:
        rate = f"{found.fresh / found.seconds:.3g} {things} a second, reading included"
        macs = f"MAC ratio {found.mac_ratio:.2f}x ({before} tokens, {after} left)"
        console.print(f"{found.fresh} {things} embedded: {rate}. {macs}.")
    if not found.finished:
        console.print(f"{found.rows} {things} are kept in {unfinished(out)}. The same command goes on from here.")
        raise typer.Exit(130)
    console.print(f"Features of {found.rows} {things}: {out}")
