"""Samples as batches of a model's inputs, read when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.utils.data import Dataset

from hf_tome.data.encoder import Encoder
from hf_tome.data.samples import Samples, read_all
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.compare import placed_with


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
