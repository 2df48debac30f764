"""Samples as batches of a model's inputs; and the loop over them, which reads ahead, stores, and can be resumed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hf_tome.data.encoder import Encoder
from hf_tome.data.samples import Samples, read_all
from hf_tome.errors import ToMeError, ToMeValueError, complaint
from hf_tome.measure.compare import Inputs, placed_with
from hf_tome.measure.processes import Processes
from hf_tome.measure.store import Cell, Store

Cells = list[tuple[str, int, Cell]]  # variant, number of the batch, and the variant's output on it
Work = Callable[[list[str], Inputs, list[int], int], Cells]


@dataclass
class Batches(Dataset):
    """The model's inputs and the numbers of the samples, by the number of the batch. With `skip_bad`, samples that
    cannot be read are left out, with a warning."""

    encoder: Encoder
    samples: Samples
    size: int
    skip_bad: bool

    def __len__(self) -> int:
        return -(-self.samples.count // self.size)

    def __getitem__(self, batch: int | None) -> tuple[dict[str, Tensor] | None, list[int]]:
        """Inputs and numbers of the samples that can be read; (None, []) where there is none."""
        media, index = read_all(self.samples, self.numbers(batch), self.skip_bad)
        return (self.encoder.inputs(media) if media else None), index

    def placed(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """A batch on the device of the model, floats in its dtype."""
        return placed_with(self.encoder.model, inputs)

    def numbers(self, batch: int | None) -> range:
        """The samples of a batch; none for None, which fills up the share of a process."""
        if batch is None:
            return range(0)
        return range(batch * self.size, min((batch + 1) * self.size, self.samples.count))

    def first(self) -> dict[str, Tensor]:
        """The inputs of the first batch that holds any. Raises ToMeError if no sample can be read."""
        inputs = next((found for batch in range(len(self)) if (found := self[batch][0]) is not None), None)
        if inputs is None:
            raise ToMeValueError(complaint("Some sample must be readable.", "none", "Check the files."))
        return inputs


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
