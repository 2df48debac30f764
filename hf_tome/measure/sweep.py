"""One model on one data set with many settings of merging: what each loses, and what it gains."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_tome.api import apply_tome
from hf_tome.config import ToMeConfig
from hf_tome.data.classifier import load_classifier
from hf_tome.data.encoder import Encoder
from hf_tome.data.pretrained import placed
from hf_tome.data.samples import Samples
from hf_tome.measure.baselines import Baseline
from hf_tome.measure.batches import Batches, Cells, finish
from hf_tome.measure.compare import Inputs, Ran, Run, compare, first_of, inference, run_costs, token_costs, twin
from hf_tome.measure.processes import Processes, machine
from hf_tome.measure.row import UNMERGED, Report, Row
from hf_tome.measure.store import Cell, Store, run_of
from hf_tome.measure.tasks import Task, task_of
from hf_tome.measure.variants import Variant, Variants, keyed, place_of, variant_name

if TYPE_CHECKING:
    from datasets import Dataset as Rows

BATCHES = {"image": 32, "audio": 4, "video": 2}
LATENCY_ROUNDS = 10


def sweep(
    model: str | Path | Encoder,
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
        model: hub name or folder of a classifier with its processor; or a model loaded for a task, by
            `load_classifier`, `load_zero_shot`, `load_image_text` (retrieval) or `load_transcriber`. It comes back as
            it came.
        data: a folder, a data set of the hub, or a `datasets.Dataset`; see `samples_of` and `samples_with_texts`.
        variants: values of r, as `apply_tome` takes them, in the settings that the model was saved with if it was; or
            `ToMeConfig`s, or `Baseline`s.
        against: one of the variants: what the changes are compared with. None: the unmerged model.
        batch_size: by default 32 images, 4 sounds or 2 clips.
        store: file that keeps what is finished. A call with the same model, data and batch size goes on from there,
            also with other variants. None: nothing is kept.
        skip_bad_files: leave out samples that cannot be read or have no label, instead of an error.
        workers: processes that read ahead.
        progress: show a bar.
        options: what is taken of the data, see `Choice`.

    Returns:
        The rows, of the main process; other processes get them too. After Ctrl-C: those of the batches that are done.

    Raises:
        ToMeError: if a setting is wrong, the model or the data cannot be loaded, or a sample cannot be read.
    """
    processes = Processes()
    encoder = model
    if not isinstance(encoder, Encoder):
        encoder = load_classifier(str(model))
        placed(encoder.model, processes.device)
    task = task_of(encoder, data, skip_bad_files=skip_bad_files, **options)
    batches = Batches(encoder, task.samples, batch_size or BATCHES[encoder.modality], skip_bad_files)
    wanted = keyed(variants, encoder.saved)
    reference = place_of(against, wanted, encoder.saved)
    with closing(Store(store if processes.main else None, key_of(batches))) as kept:
        for key, setting in wanted.items():
            if isinstance(setting, ToMeConfig) and setting.own:
                kept.forget(key)
        work = _Sweep(task, batches, wanted, kept, processes)
        work.measure_costs(progress)
        whole = finish(batches, wanted, work.cells, kept, processes, workers, "Evaluating" if progress else None)
        report = work.report(whole, reference)
    if not whole and not report.samples:
        raise KeyboardInterrupt
    return processes.shared(report)


@dataclass
class _Sweep:
    """What the steps of a sweep share; of the variants, the unmerged model comes first."""

    task: Task
    batches: Batches
    variants: Variants
    kept: Store
    processes: Processes

    def __post_init__(self) -> None:
        self.encoder = self.task.encoder
        self.runs = {key: self._inference(setting) for key, setting in self.variants.items()}
        self.compiled = {key for key, each in self.variants.items() if isinstance(each, Baseline) and each.compiled}
        self.warm: set[int] = set()  # sizes of batches that compiled models have seen

    def _inference(self, setting: Variant) -> Run:
        plain = twin(self.encoder.model)
        if isinstance(setting, Baseline):
            return setting.run(plain, self.encoder.output)
        return inference(plain if setting is None else apply_tome(plain, config=setting), self.encoder.output)

    def measure_costs(self, progress: bool) -> None:
        """What needs no whole data set, on the first batch, by the main process alone."""
        from tqdm.auto import tqdm

        known = self.kept.costs()
        missing = [key for key in self.runs if key not in known]
        if not missing or not self.processes.main:
            return
        with tqdm(total=1, desc="Measuring latency and memory", leave=False, disable=not progress):
            inputs = self.batches.placed(self.batches.first())
            for compiled in (False, True):  # the tensors inside a compiled model cannot be counted
                keys = [key for key in missing if (key in self.compiled) == compiled]
                runs = [self.runs[key] for key in keys]
                found = run_costs(runs, inputs, LATENCY_ROUNDS, memory=not compiled)
                costs = dict(zip(keys, found, strict=True))
                for key, cost in costs.items():
                    cost.update(self._tokens(self.variants[key], inputs))
                self.kept.add_costs(costs)

    def _tokens(self, setting: Variant, inputs: Inputs) -> dict[str, Any]:
        """Tokens and multiply-adds; the MAC ratio is against the unmerged model on inputs as they are."""
        model, output = self.encoder.model, self.encoder.output
        if not isinstance(setting, Baseline):
            return token_costs(model, setting, inputs, output)
        costs = token_costs(model, None, setting.inputs(model, first_of(inputs)), output)
        return {**costs, "mac_ratio": token_costs(model, None, inputs, output)["macs"] / costs["macs"]}

    def cells(self, keys: list[str], inputs: Inputs, index: list[int], batch: int) -> Cells:
        """What each variant gives on one batch. The unmerged model runs in any case: times are paired with its own."""
        keys = [UNMERGED, *(key for key in keys if key != UNMERGED)]
        if len(index) not in self.warm:
            self.warm.add(len(index))
            for key in self.compiled & set(keys):
                self.runs[key](inputs)  # compiles for this size, which is no part of the time
        ran = compare([self.runs[key] for key in keys], inputs, batch)
        return [(key, batch, self._cell(each, ran[0], index)) for key, each in zip(keys, ran, strict=True)]

    def _cell(self, ran: Ran, unmerged: Ran, index: list[int]) -> Cell:
        """What is kept of one variant on one batch; index: numbers of its samples."""
        times = {"seconds": np.array([ran.seconds]), "unmerged_seconds": np.array([unmerged.seconds])}
        return {"index": np.array(index), **times, **self.task.cell(ran.output, unmerged.output)}

    def report(self, whole: bool, against: int) -> Report:
        """The rows of all batches that every variant has seen; changes are against the row of that number."""
        samples, encoder, done, costs = self.task.samples, self.encoder, self.kept.done(), self.kept.costs()
        report = Report(
            model=encoder.name,
            data=samples.name,
            source=samples.source,
            split=samples.split,
            task=encoder.task,
            modality=encoder.modality,
            metric=self.task.metric,
            total=samples.count,
            machine=machine(encoder.model, self.processes.count),
            saved=encoder.saved and encoder.saved.to_dict(),
        )
        common = {batch for _, batch in done if all((key, batch) in done for key in self.variants)}
        if not common:
            return report
        for key, setting in self.variants.items():
            r, settings = (setting.r, setting.to_dict()) if isinstance(setting, ToMeConfig) else (None, None)
            name = variant_name(setting, encoder.saved)
            report.rows.append(Row(r, name, settings, self.batches.size, **costs[key]))
        report.samples = self._fill(report, common, against)
        reached = samples.count if whole else sum(len(self.batches.numbers(batch)) for batch in common)
        report.left_out = reached - report.samples
        return report

    def _fill(self, report: Report, batches: set[int], against: int) -> int:
        """Fill in times, what the answers are worth, and which changed. Gives the number of samples."""
        rows = report.rows
        cells = [self.kept.cells(key, batches) for key in self.variants]
        answers = [{key: np.concatenate([cell[key] for cell in each]) for key in each[0]} for each in cells]
        seen = answers[0]["index"]
        for row, each in zip(rows, answers, strict=True):
            row.seconds = each["seconds"].tolist()
            row.speedups = (each["unmerged_seconds"] / each["seconds"]).tolist()
            row.inputs = len(seen)
        if len(seen):
            self.task.fill(rows, answers, seen, against)
            report.changed = self._changed(rows, answers, seen.tolist())
        return len(seen)

    def _changed(self, rows: list[Row], answers: list[Cell], seen: list[int]) -> list[dict[str, str]]:
        samples, (unmerged, *others) = self.task.samples, [self.task.words(each) for each in answers]
        return [
            {"sample": samples.path(number), "label": samples.label_text(number), "variant": row.name,
             "unmerged": before, "merged": after}
            for row, texts in zip(rows[1:], others, strict=True)
            for number, before, after in zip(seen, unmerged, texts, strict=True)
            if before != after
        ]  # fmt: skip


def key_of(batches: Batches) -> str:
    """The cache key of cells: another one where model, processor, data, batches, dtype or device differ."""
    encoder = batches.encoder
    about = {name: str(value) for name, value in vars(encoder).items() if name not in ("model", "saved")}
    device = next(encoder.model.parameters()).device.type
    return run_of(encoder.model, [batches.samples.fingerprint, batches.size, about, device])
