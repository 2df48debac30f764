"""The loop over a data set: batches are read ahead, shared among processes and stored when done; it can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from torch.utils.data import DataLoader

from hf_tome.errors import ToMeError, ToMeValueError
from hf_tome.measure.batches import Batches
from hf_tome.measure.compare import Inputs
from hf_tome.measure.processes import Processes
from hf_tome.measure.store import Cell, Store

Cells = list[tuple[str, int, Cell]]  # variant, number of the batch, and the variant's output on it
Work = Callable[[list[str], Inputs, list[int], int], Cells]


def finish(
    batches: Batches,
    variants: Collection[str],
    work: Work,
    kept: Store,
    processes: Processes,
    workers: int,
    bar: str | None,
) -> bool:
    """Fill in the cells that are missing in `kept`. Each batch is read once, by `workers` processes ahead of time, and
    kept as soon as it is done.

    Args:
        work: gives the cells of a batch, from the variants that are missing there, the inputs on the model's device,
            the numbers of the samples and that of the batch.
        bar: what the progress bar says; None for no bar.

    Returns:
        Whether all is there: False after Ctrl-C.

    Raises:
        ToMeValueError: if a sample cannot be read. Finished batches are kept.
    """
    from tqdm.auto import tqdm

    done: set[tuple[str, int]] = processes.shared(kept.done())
    missing = [batch for batch in range(len(batches)) if any((key, batch) not in done for key in variants)]
    mine: Any = processes.part(missing)
    ahead = DataLoader(batches, batch_size=None, sampler=mine, num_workers=workers)
    try:
        seen, silent = len(batches) - len(missing), bar is None or not processes.main
        with tqdm(total=len(batches), initial=seen, unit="batch", desc=bar, leave=False, disable=silent) as progress:
            for batch, (inputs, index) in zip(mine, _as_read(ahead), strict=True):
                cells: Cells = []
                if inputs is not None:
                    todo = [key for key in variants if (key, batch) not in done]
                    cells = work(todo, batches.placed(inputs), index, batch)
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
    """The loader's batches. An error in a worker, which torch wraps in a traceback, becomes a plain ToMeValueError."""
    try:
        yield from loader
    except ToMeError as error:
        rule = "" if "Got:" in str(error) else "Every sample must be readable. "
        raise ToMeValueError(f"{rule}{error} With skip_bad_files it is left out; finished batches are kept.") from error
