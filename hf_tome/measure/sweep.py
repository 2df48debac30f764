"""One classifier on one data set with many settings of merging: what each loses, and what it gains."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch.utils.data import DataLoader

from hf_tome.data.classifier import Classifier, load_classifier, placed
from hf_tome.data.samples import Samples, samples_of
from hf_tome.errors import ToMeError, ToMeValueError
from hf_tome.measure.batches import Batches
from hf_tome.measure.outcome import Outcome, Report, outcomes
from hf_tome.measure.processes import Processes
from hf_tome.measure.runner import Runner
from hf_tome.measure.store import Cell, Store, run_of
from hf_tome.measure.variants import UNMERGED, Variants, keyed, place_of, variant_name

if TYPE_CHECKING:
    from datasets import Dataset as Rows
    from tqdm.auto import tqdm

BATCHES = {"image": 32, "audio": 4, "video": 2}


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
    from tqdm.auto import tqdm

    processes = Processes()
    classifier = model
    if not isinstance(classifier, Classifier):
        classifier = load_classifier(str(model))
        placed(classifier.model, processes.device)
    samples = data if isinstance(data, Samples) else samples_of(data, classifier, **options)
    size = batch_size or BATCHES[classifier.modality]
    wanted = keyed(variants)
    reference = 0 if against is None else place_of(against, wanted)
    plan = Batches(classifier, samples, size, skip_bad_files)
    runner = Runner(classifier.model, samples.several)
    kept = Store(store if processes.main else None, _fingerprint(classifier, samples, size, runner))
    bar = partial(tqdm, total=len(plan), unit="batch", disable=not (progress and processes.main))
    try:
        _measure_costs(runner, wanted, plan, kept, processes, bar)
        whole = _run(runner, wanted, plan, kept, processes, workers, bar)
        report = _report(plan, wanted, kept, whole, processes.count, reference)
        if not whole and not report.samples:
            raise KeyboardInterrupt
        return processes.shared(report)
    finally:
        kept.close()


def _measure_costs(
    runner: Runner, variants: Variants, plan: Batches, kept: Store, processes: Processes, bar: Callable[..., tqdm]
) -> None:
    """On the first batch, by the main process alone."""
    missing = {key: each for key, each in variants.items() if key not in kept.costs()}
    if not processes.main or not missing:
        return
    with bar(total=1, desc="Measuring latency and memory", leave=False):
        kept.add_costs(runner.costs(missing, runner.placed(plan.first())))


def _run(
    runner: Runner,
    variants: Variants,
    plan: Batches,
    kept: Store,
    processes: Processes,
    workers: int,
    bar: Callable[..., tqdm],
) -> bool:
    """Fill in the cells that are missing. Gives False if it was interrupted."""
    done: set[tuple[str, int]] = processes.shared(kept.done())
    open_batches = [batch for batch in range(len(plan)) if any((key, batch) not in done for key in variants)]
    mine: Any = processes.part(open_batches)
    ahead = DataLoader(plan, batch_size=None, sampler=mine, num_workers=workers)
    try:
        with bar(initial=len(plan) - len(open_batches), desc="Evaluating") as progress:
            for batch, (inputs, index) in zip(mine, _as_read(ahead), strict=True):
                cells: list[tuple[str, int, Cell]] = []
                if inputs is not None:
                    todo = {key: each for key, each in variants.items() if key == UNMERGED or (key, batch) not in done}
                    found = runner.cells(todo, runner.placed(inputs), index, batch)
                    cells = [(key, batch, cell) for key, cell in found.items()]
                everyone = processes.gathered([cells])
                if processes.main:
                    kept.add([cell for cells in everyone for cell in cells])
                progress.update(min(processes.count, progress.total - progress.n))
    except KeyboardInterrupt:
        if processes.count > 1:
            raise
        return False
    return True


def _as_read(loader: DataLoader) -> Iterator[Any]:
    """The loader's batches; an error of a worker as the error that it was."""
    try:
        yield from loader
    except ToMeError as error:
        rule = "" if "Got:" in str(error) else "Every sample must be readable. "
        raise ToMeValueError(f"{rule}{error} With skip_bad_files it is left out; finished batches are kept.") from error


def _report(plan: Batches, variants: Variants, kept: Store, whole: bool, processes: int, against: int) -> Report:
    """The rows of all batches that every variant has seen."""
    classifier, samples = plan.classifier, plan.samples
    done, costs = kept.done(), kept.costs()
    batches = {batch for _, batch in done}
    seen_by_all = {batch for batch in batches if all((key, batch) in done for key in variants)}
    config: Any = classifier.model.config
    report = Report(
        model=config._name_or_path,
        data=samples.name,
        source=samples.source,
        split=samples.split,
        task=f"{classifier.modality}-classification",
        metric=None if samples.labels is None else "mAP" if samples.several else "accuracy",
        total=samples.count,
        machine=machine(classifier, processes),
    )
    if not seen_by_all:
        return report
    report.rows = [
        Outcome(
            None if setting is None else setting.r,
            name="unmerged" if setting is None else variant_name(setting),
            settings=None if setting is None else setting.to_dict(),
            **costs[key],
        )
        for key, setting in variants.items()
    ]
    cells = [kept.cells(key, seen_by_all) for key in variants]
    report.samples = len(outcomes(report.rows, cells, samples, against))
    reached = samples.count if whole else sum(len(plan.numbers(batch)) for batch in seen_by_all)
    report.left_out = reached - report.samples
    return report


def machine(classifier: Classifier, processes: int = 1) -> dict[str, Any]:
    """Where and with what something is measured."""
    first = next(classifier.model.parameters())
    on_cuda = first.device.type == "cuda"
    several = {"processes": processes} if processes > 1 else {}
    return {
        "device": torch.cuda.get_device_name(first.device) if on_cuda else platform.processor() or platform.machine(),
        "dtype": str(first.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        **several,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }


def _fingerprint(classifier: Classifier, samples: Samples, size: int, runner: Runner) -> str:
    """Another one where model, processor, data, batches or numbers differ."""
    config: Any = runner.plain.config
    attention = config._attn_implementation
    known = [samples.fingerprint, size, str(runner.dtype), runner.device.type, attention, transformers.__version__]
    settings = {key: value for key, value in config.to_dict().items() if key != "tome"}
    return run_of([known, settings, str(classifier.processor)], runner.plain.state_dict().values())
