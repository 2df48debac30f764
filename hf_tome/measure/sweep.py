"""One classifier on one data set with many settings of merging: what each loses, and what it gains."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.utils.data import DataLoader

from hf_tome.api import apply_tome
from hf_tome.config import ToMeConfig
from hf_tome.core.drift import agreement, kl
from hf_tome.data.classifier import Classifier, load_classifier, placed
from hf_tome.data.samples import Samples, samples_of
from hf_tome.errors import ToMeError, ToMeValueError
from hf_tome.measure.batches import Batches
from hf_tome.measure.compare import Inputs, Run, compare, inference, run_costs, token_costs, twin
from hf_tome.measure.processes import Processes, machine
from hf_tome.measure.row import Report, Row
from hf_tome.measure.statistics import fill_from_cells
from hf_tome.measure.store import Cell, Store, run_of
from hf_tome.measure.variants import UNMERGED, Variants, keyed, place_of, variant_name

if TYPE_CHECKING:
    from datasets import Dataset as Rows
    from tqdm.auto import tqdm

BATCHES = {"image": 32, "audio": 4, "video": 2}
LATENCY_ROUNDS = 10


def sweep(
    model: str | Path | Classifier,
    data: str | Path | Rows | Samples,
    variants: Sequence[Any],
    *,
    against: Any = None,
    batch_size: int | None = None,
    store: Path | None = None,
    skip_bad_files: bool = False,
    workers: int = 0,
    progress: bool = True,
    **options: Any,
) -> Report:
    """Evaluate the unmerged model and each variant on the same batches, in turn.

    Each batch is read once, run by every variant, and forgotten; what is kept of it are predictions and times. Under
    `torchrun` or `accelerate launch` each process takes a part of the batches. Batches are the same ones however many
    processes there are, and so are the metrics.

    Args:
        model: hub name or folder of a classifier with its processor, or a `Classifier`. It comes back as it came.
        data: a folder, a data set of the hub, or a `datasets.Dataset`; see `samples_of`.
        variants: values of r, as `apply_tome` takes them, or `ToMeConfig`s.
        against: one of the variants: what the changes are compared with. None: the unmerged model.
        batch_size: by default 32 images, 4 sounds or 2 clips.
        store: file that keeps what is finished. A call with the same model, data and batch size goes on from there,
            also with other variants. None: nothing is kept.
        skip_bad_files: leave out samples that cannot be read, and count them, instead of an error.
        workers: processes that read ahead.
        progress: show a bar.
        options: of `samples_of`: `split`, `limit`, `media_column`, `label_column`.

    Returns:
        The rows, of the main process; other processes get them too. After Ctrl-C: those of the batches that are done.

    Raises:
        ToMeError: if a setting is wrong, the model or the data cannot be loaded, or a sample cannot be read.
    """
    processes = Processes()
    classifier = model
    if not isinstance(classifier, Classifier):
        classifier = load_classifier(str(model))
        placed(classifier.model, processes.device)
    samples = data if isinstance(data, Samples) else samples_of(data, classifier, **options)
    batches = Batches(classifier, samples, batch_size or BATCHES[classifier.modality], skip_bad_files)
    wanted = keyed(variants)
    reference = place_of(against, wanted)
    kept = Store(store if processes.main else None, _run_of(batches))
    try:
        work = _Sweep(batches, wanted, kept, processes, progress and processes.main)
        work.measure_costs()
        whole = work.run(workers)
        report = work.report(whole, reference)
        if not whole and not report.samples:
            raise KeyboardInterrupt
        return processes.shared(report)
    finally:
        kept.close()


class _Sweep:
    """The steps of a sweep. `variants` holds the unmerged model first; `kept` holds what is finished."""

    def __init__(self, batches: Batches, variants: Variants, kept: Store, processes: Processes, progress: bool) -> None:
        self.batches, self.variants, self.kept = batches, variants, kept
        self.processes, self.progress = processes, progress
        self.model = batches.classifier.model
        self.runs = {key: self._inference(setting) for key, setting in variants.items()}

    def _inference(self, setting: ToMeConfig | None) -> Run:
        plain = twin(self.model)
        return inference(plain if setting is None else apply_tome(plain, config=setting))

    def _bar(self, total: int, **options: Any) -> tqdm:
        from tqdm.auto import tqdm

        return tqdm(total=total, unit="batch", disable=not self.progress, **options)

    def measure_costs(self) -> None:
        """What needs no whole data set, on the first batch, by the main process alone."""
        known = self.kept.costs()
        missing = {key: run for key, run in self.runs.items() if key not in known}
        if not missing or not self.processes.main:
            return
        with self._bar(1, desc="Measuring latency and memory", leave=False):
            inputs = self._placed(self.batches.first())
            costs = dict(zip(missing, run_costs(list(missing.values()), inputs, LATENCY_ROUNDS), strict=True))
            for key, cost in costs.items():
                cost.update(token_costs(self.model, self.variants[key], inputs))
            self.kept.add_costs(costs)

    def run(self, workers: int) -> bool:
        """Fill in the cells that are missing. Gives False if it was interrupted."""
        done: set[tuple[str, int]] = self.processes.shared(self.kept.done())
        total = len(self.batches)
        missing = [batch for batch in range(total) if any((key, batch) not in done for key in self.runs)]
        mine: Any = self.processes.part(missing)
        ahead = DataLoader(self.batches, batch_size=None, sampler=mine, num_workers=workers)
        try:
            with self._bar(total, initial=total - len(missing), desc="Evaluating") as progress:
                for batch, (inputs, index) in zip(mine, _as_read(ahead), strict=True):
                    cells: list[tuple[str, int, Cell]] = []
                    if inputs is not None:
                        todo = [key for key in self.runs if key == UNMERGED or (key, batch) not in done]
                        cells = self._cells(todo, self._placed(inputs), index, batch)
                    everyone = self.processes.gathered([cells])
                    if self.processes.main:
                        self.kept.add([cell for cells in everyone for cell in cells])
                    progress.update(min(self.processes.count, total - progress.n))
        except KeyboardInterrupt:
            if self.processes.count > 1:
                raise
            return False
        return True

    def _cells(self, keys: list[str], inputs: Inputs, index: list[int], batch: int) -> list[tuple[str, int, Cell]]:
        """What each variant, the unmerged model first, gives on one batch."""
        ran = compare([self.runs[key] for key in keys], inputs, batch)
        several, reference = self.batches.samples.several, ran[0].output.float().cpu()
        cells = []
        for key, (output, seconds) in zip(keys, ran, strict=True):
            logits = output.float().cpu()
            cell = {
                "index": np.array(index),
                "predicted": (logits if several else logits.argmax(-1)).numpy(),
                "agrees": agreement(logits, reference).numpy(),
                "kl": kl(logits, reference, several).numpy(),
                "seconds": np.array([seconds]),
                "unmerged_seconds": np.array([ran[0].seconds]),
            }
            cells.append((key, batch, cell))
        return cells

    def _placed(self, inputs: Inputs) -> Inputs:
        """A batch on the model's device, in its dtype."""
        first = next(self.model.parameters())
        kinds = {name: first.dtype if value.is_floating_point() else value.dtype for name, value in inputs.items()}
        return {name: value.to(first.device, kinds[name]) for name, value in inputs.items()}

    def report(self, whole: bool, against: int) -> Report:
        """The rows of all batches that every variant has seen; changes are against the row of that number."""
        samples, done, costs = self.batches.samples, self.kept.done(), self.kept.costs()
        config: Any = self.model.config
        report = Report(
            model=config._name_or_path,
            data=samples.name,
            source=samples.source,
            split=samples.split,
            task=f"{self.batches.classifier.modality}-classification",
            metric=None if samples.labels is None else "mAP" if samples.several else "accuracy",
            total=samples.count,
            machine=machine(self.model, self.processes.count),
        )
        common = {batch for _, batch in done if all((key, batch) in done for key in self.variants)}
        if not common:
            return report
        for key, setting in self.variants.items():
            r, settings = (None, None) if setting is None else (setting.r, setting.to_dict())
            report.rows.append(Row(r, variant_name(setting), settings, self.batches.size, **costs[key]))
        cells = [self.kept.cells(key, common) for key in self.variants]
        report.samples = fill_from_cells(report.rows, cells, samples.labels, against)
        reached = samples.count if whole else sum(len(self.batches.numbers(batch)) for batch in common)
        report.left_out = reached - report.samples
        return report


def _as_read(loader: DataLoader) -> Iterator[Any]:
    """The loader's batches; an error of a worker as the error that it was."""
    try:
        yield from loader
    except ToMeError as error:
        rule = "" if "Got:" in str(error) else "Every sample must be readable. "
        raise ToMeValueError(f"{rule}{error} With skip_bad_files it is left out; finished batches are kept.") from error


def _run_of(batches: Batches) -> str:
    """The run that cells belong to: another one where model, processor, data, batches, numbers or device differ."""
    model, processor = batches.classifier.model, str(batches.classifier.processor)
    return run_of(model, [batches.samples.fingerprint, batches.size, processor, next(model.parameters()).device.type])
