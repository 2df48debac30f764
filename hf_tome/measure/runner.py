"""One model, unmerged and with any settings, on one batch after the other."""

from __future__ import annotations

import copy
import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

from hf_tome.api import apply_tome, remove_tome
from hf_tome.config import ToMeConfig
from hf_tome.core.drift import agreement, kl
from hf_tome.core.macs import encoder_macs, mac_ratio
from hf_tome.measure.memory import peak_memory
from hf_tome.measure.store import Cell
from hf_tome.measure.timing import turned
from hf_tome.measure.variants import UNMERGED, Variants
from hf_tome.trace import trace_tome

Inputs = dict[str, Tensor]


class Runner:
    """The model twice, unmerged and merged, with one set of weights; it comes back as it came.

    Args:
        model: a classifier of a supported family.
        several: whether a sample may have several labels; decides what is kept, and the divergence.
    """

    def __init__(self, model: nn.Module, several: bool) -> None:
        self.plain, self.merged = remove_tome(_twin(model)).eval(), remove_tome(_twin(model)).eval()
        self.several = several
        first = next(model.parameters())
        self.device, self.dtype = first.device, first.dtype

    def placed(self, inputs: Inputs) -> Inputs:
        """A batch where the model is, in its numbers."""
        kinds = {name: self.dtype if value.is_floating_point() else value.dtype for name, value in inputs.items()}
        return {name: value.to(self.device, kinds[name]) for name, value in inputs.items()}

    def cells(self, variants: Variants, inputs: Inputs, index: list[int], number: int) -> dict[str, Cell]:
        """Each variant on one batch, in an order that turns with its number. The unmerged model must be among them."""
        logits, seconds = {}, {}
        for key in turned(list(variants), number):
            model = self._set(variants[key])
            start = self._now()
            with torch.inference_mode():
                out = model(**inputs).logits
            seconds[key] = self._now() - start
            logits[key] = out.float().cpu()
        reference = logits[UNMERGED]
        return {
            key: {
                "index": torch.tensor(index).numpy(),
                "predicted": (each if self.several else each.argmax(-1)).numpy(),
                "agrees": agreement(each, reference).numpy(),
                "kl": kl(each, reference, self.several).numpy(),
                "seconds": torch.tensor([seconds[key]], dtype=torch.float64).numpy(),
                "unmerged_seconds": torch.tensor([seconds[UNMERGED]], dtype=torch.float64).numpy(),
            }
            for key, each in logits.items()
        }

    def costs(self, variants: Variants, inputs: Inputs, rounds: int = 10) -> dict[str, dict[str, Any]]:
        """What needs no whole data set: tokens, multiply-adds, memory of this batch, latency of its first input."""
        single = {name: value[:1] for name, value in inputs.items()}
        costs = {key: self._cost(setting, inputs, single) for key, setting in variants.items()}
        seconds: dict[str, list[float]] = {key: [] for key in variants}
        for number in range(rounds):
            for key in turned(list(variants), number):
                model = self._set(variants[key])
                start = self._now()
                with torch.inference_mode():
                    model(**single)
                seconds[key].append(self._now() - start)
        return {key: {**cost, "latency": statistics.median(seconds[key])} for key, cost in costs.items()}

    def _cost(self, setting: ToMeConfig | None, inputs: Inputs, single: Inputs) -> dict[str, Any]:
        model, config = self._set(setting), self.plain.config
        with torch.inference_mode():
            model(**inputs)  # warms up
            peak = peak_memory(lambda: model(**inputs), self.device)
            apply_tome(self.merged, config=setting or ToMeConfig(r=0))
            with trace_tome(self.merged) as trace:
                self.merged(**single)
        counts, sizes = trace.token_counts, (config.hidden_size, config.intermediate_size)  # pyright: ignore
        return {
            "token_counts": counts,
            "macs": encoder_macs(counts, *sizes),  # pyright: ignore
            "mac_ratio": mac_ratio(counts, *sizes),  # pyright: ignore
            "peak_bytes": peak,
        }

    def _set(self, setting: ToMeConfig | None) -> nn.Module:
        return self.plain if setting is None else apply_tome(self.merged, config=setting)

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def _twin(model: nn.Module) -> nn.Module:
    """A copy with the same weights, not with copies of them."""
    return copy.deepcopy(model, {id(each): each for each in (*model.parameters(), *model.buffers())})
