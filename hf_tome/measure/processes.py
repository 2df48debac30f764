"""The processes that evaluate a data set together, and the machine that they run on."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch
import transformers
from torch import nn

from hf_tome.errors import extra


class Processes:
    """The processes that share the work, by accelerate; without a launcher, this one alone.

    Attributes:
        count: how many there are.
        main: whether this one writes the results.
        device: this process's GPU, or the CPU.
    """

    def __init__(self) -> None:
        self.count, self.main, self._state = 1, True, None
        self.device: torch.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if int(os.environ.get("WORLD_SIZE", 1)) > 1:
            with extra("train", "evaluate in several processes"):
                from accelerate import PartialState
            self._state = PartialState(cpu=not torch.cuda.is_available())
            self.count, self.main = self._state.num_processes, self._state.is_main_process
            self.device = self._state.device  # pyright: ignore

    def shared(self, value: Any) -> Any:
        """The main process's value."""
        if self._state is None:
            return value
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def gathered(self, values: list[Any]) -> list[Any]:
        """The values of all processes, of which some may have none."""
        if self._state is None:
            return values
        from accelerate.utils import gather_object

        return gather_object(values)

    def part(self, values: list[int]) -> list[int | None]:
        """This process's share, filled up with None to the length of the longest."""
        if self._state is None:
            return list(values)
        with self._state.split_between_processes(values) as mine:
            longest = -(-len(values) // self.count)
            own: Any = mine
            return [*own, *[None] * (longest - len(own))]


def machine(model: nn.Module, processes: int = 1) -> dict[str, Any]:
    """Device, dtype, threads and versions that a model is measured with."""
    first = next(model.parameters())
    on_cuda = first.device.type == "cuda"
    return {
        "device": torch.cuda.get_device_name(first.device) if on_cuda else platform.processor() or platform.machine(),
        "dtype": str(first.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        **({"processes": processes} if processes > 1 else {}),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
