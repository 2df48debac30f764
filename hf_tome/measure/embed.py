"""Features of a whole data set in one Parquet file: each batch is kept as soon as it is done."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_tome.api import apply_tome
from hf_tome.config import ToMeConfig
from hf_tome.data.embedder import POOLED, Embedder, load_embedder
from hf_tome.data.pretrained import placed
from hf_tome.data.samples import Samples, samples_alone
from hf_tome.measure.batches import Batches, Cells, finish
from hf_tome.measure.compare import Inputs, inference, token_costs, twin
from hf_tome.measure.parquet import check_parquet, rows_written, write_parquet
from hf_tome.measure.processes import Processes
from hf_tome.measure.store import Cell, Store
from hf_tome.measure.sweep import BATCHES, key_of
from hf_tome.measure.variants import setting_of


@dataclass(frozen=True)
class Embedded:
    """What was written.

    Attributes:
        rows: in the file; fewer than there are samples where some cannot be read, or after Ctrl-C.
        fresh: of these, embedded by this call.
        seconds: that this call took for them, reading included.
        mac_ratio: times fewer multiply-adds of the encoder than without merging.
        token_counts: tokens entering each layer and leaving the last.
        finished: whether all samples were reached, so that the file is there.
    """

    rows: int
    fresh: int
    seconds: float
    mac_ratio: float
    token_counts: list[int]
    finished: bool


def embed(
    model: str | Path | Embedder,
    data: Any,
    out: Path,
    r: Any = None,
    *,
    features: str = POOLED,
    batch_size: int | None = None,
    skip_bad_files: bool = False,
    workers: int = 0,
    progress: bool = True,
    **options: Any,
) -> Embedded:
    """Write `path`, `label` (if the data have labels) and `features` of every sample to a Parquet file.

    Samples are read as they are needed. Finished batches wait in a file beside `out` that ends in `.unfinished`; a call
    with the same arguments goes on from there, also after `kill -9`. Under `torchrun` or `accelerate launch` the
    processes share the batches.

    Args:
        model: hub name or folder, or an `Embedder`. It comes back as it came.
        data: as `samples_of` takes it.
        out: the file, which is new, or was finished by the same call.
        r: as `apply_tome` takes it, or a `ToMeConfig`. None: as the model was saved, else no merging.
        features: "pooled" or "patches", see `Embedder`.
        batch_size: by default 32 images, 4 sounds or 2 clips.
        skip_bad_files: leave out samples that cannot be read, with a warning.
        workers: processes that read ahead.
        progress: show a bar.
        options: what is taken of the data, see `Choice`.

    Raises:
        ToMeError: if an argument is wrong, the model or the data cannot be loaded, or a sample cannot be read.
        MissingExtraError: without the extra [eval].
    """
    check_parquet(out)
    processes, embedder = Processes(), model
    if not isinstance(embedder, Embedder):
        embedder = load_embedder(str(model), features)
        placed(embedder.model, processes.device)
    samples = data if isinstance(data, Samples) else samples_alone(data, embedder, **options)
    batches = Batches(embedder, samples, batch_size or BATCHES[embedder.modality], skip_bad_files)
    default = (embedder.saved or ToMeConfig(r=0)) if r is None else r
    setting, key = setting_of(default, embedder.saved), key_of(batches)
    costs = token_costs(embedder.model, setting, batches.placed(batches.first()), embedder.output)
    done = partial(Embedded, mac_ratio=costs["mac_ratio"], token_counts=costs["token_counts"])
    about = {"data": samples.name, "run": key, "features": embedder.features, "settings": setting.to_dict()}
    if out.exists():
        return done(rows_written(out, None if setting.own else about), 0, 0.0, finished=True)
    variant = json.dumps([embedder.features, setting.to_dict()])
    run = inference(apply_tome(twin(embedder.model), config=setting), embedder.output)

    def embedded(_: list[str], inputs: Inputs, index: list[int], batch: int) -> Cells:
        return [(variant, batch, _cell(run(inputs), index))]

    with closing(Store(unfinished(out) if processes.main else None, key)) as kept:
        if setting.own:
            kept.forget(variant)
        before, start = kept.batches(variant), time.perf_counter()
        whole = finish(batches, [variant], embedded, kept, processes, workers, "Embedding" if progress else None)
        seconds, after = time.perf_counter() - start, kept.batches(variant)
        fresh, rows = (sum(len(batches.numbers(each)) for each in part) for part in (after - before, after))
        if whole and processes.main:
            cells = (cell for batch in sorted(after) for cell in kept.cells(variant, {batch}))  # one at a time
            rows = write_parquet(out, about, cells, samples)
    if whole and processes.main:
        unfinished(out).unlink()
    return processes.shared(done(rows, fresh, seconds, finished=whole))


def unfinished(out: Path) -> Path:
    """The file that keeps finished batches until all are done."""
    return out.with_name(f"{out.name}.unfinished")


def _cell(features: list[torch.Tensor], index: list[int]) -> Cell:
    """What is kept of one batch: the features of its samples one after the other, and how many each has."""
    flat = torch.cat([each.reshape(-1, each.shape[-1]) for each in features]).cpu()
    return {
        "index": np.array(index),
        "counts": np.array([each.shape[:-1].numel() for each in features]),
        "features": (flat.float() if flat.dtype == torch.bfloat16 else flat).numpy(),
    }
