"""The one loop that runs, times and compares models, which `measure`, `sweep` and the gain of a training use."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import nn

from hf_tome.api import apply_tome, remove_tome
from hf_tome.config import ToMeConfig
from hf_tome.core.macs import encoder_macs, mac_ratio
from hf_tome.data.encoder import fitting
from hf_tome.families import widths_of
from hf_tome.measure.costs import peak_memory
from hf_tome.trace import trace_tome

Model = TypeVar("Model", bound=nn.Module)
Inputs = dict[str, Any]  # a batch of a model's keyword inputs
Run = Callable[[Inputs], Any]  # runs a batch once, and returns the output
Output = Callable[[nn.Module, Inputs], Any]  # the part of a model's output that is looked at, as logits


class Ran(NamedTuple):
    """What a run returned, and how long it took."""

    output: Any
    seconds: float


def compare(runs: Sequence[Run], inputs: Inputs, turn: int = 0) -> list[Ran]:
    """Run each once on the same batch, one after the other. Round `turn` begins with another run than the round before,
    so that none is always the first. The results are in the order of `runs`."""
    device = device_of(inputs)
    ran: dict[int, Ran] = {}
    for place in range(len(runs)):
        number = (turn + place) % len(runs)
        start = _now(device)
        output = runs[number](inputs)
        ran[number] = Ran(output, _now(device) - start)
    return [ran[number] for number in range(len(runs))]


def time_rounds(
    runs: Sequence[Run], inputs: Inputs, rounds: int, done: Callable[[], Any] = lambda: None
) -> list[list[float]]:
    """Seconds of each run, round by round, on one batch. `done` is called after each round."""
    seconds: list[list[float]] = [[] for _ in runs]
    for turn in range(rounds):
        for each, ran in zip(seconds, compare(runs, inputs, turn), strict=True):
            each.append(ran.seconds)
        done()
    return seconds


def twin(model: Model) -> Model:
    """An unmerged copy in eval mode that shares weights and buffers with `model`, which is only read."""
    shared = {id(each): each for each in (*model.parameters(), *model.buffers())}
    return remove_tome(copy.deepcopy(model, shared)).eval()


def answer(model: nn.Module, inputs: Inputs) -> Any:
    """The logits, or, of a model without a head, its last hidden state."""
    found = model(**inputs)
    return found.logits if "logits" in found else found.last_hidden_state


def inference(model: nn.Module, output: Output = answer) -> Run:
    """A forward without gradients. It raises ToMeValueError if the inputs do not fit the model."""

    @torch.inference_mode()
    def run(inputs: Inputs) -> Any:
        with fitting(model):
            return output(model, inputs)

    return run


def token_costs(
    model: nn.Module, setting: ToMeConfig | None, inputs: Inputs, output: Output = answer
) -> dict[str, Any]:
    """Tokens and multiply-adds of a setting, for inputs of this size.

    Returns:
        `token_counts`, `macs` and `mac_ratio`, as in a `Row`.
    """
    merged: Any = apply_tome(twin(model), config=setting or ToMeConfig(r=0))
    with trace_tome(merged) as trace:
        inference(merged, output)(first_of(inputs))
    counts, sizes = trace.token_counts, widths_of(merged)
    return {"token_counts": counts, "macs": encoder_macs(counts, *sizes), "mac_ratio": mac_ratio(counts, *sizes)}


def run_costs(
    runs: Sequence[Run],
    inputs: Inputs,
    rounds: int,
    *,
    memory: bool = True,
    latency: bool = True,
    done: Callable[[], Any] = lambda: None,
) -> list[dict[str, Any]]:
    """Memory of each run on a batch, and the median time of several rounds on its first input alone.

    Each runs once on the batch before. `done` is called after each round.

    Returns:
        `peak_bytes` and `latency`, as in a `Row`; without those that are not wanted.
    """
    costs: list[dict[str, Any]] = [{} for _ in runs]
    for cost, run in zip(costs, runs, strict=True):
        run(inputs)  # warms up
        if memory:
            cost["peak_bytes"] = peak_memory(partial(run, inputs), device_of(inputs))
    if latency:
        single = first_of(inputs)
        for run in runs:
            run(single)
        for cost, seconds in zip(costs, time_rounds(runs, single, rounds, done), strict=True):
            cost["latency"] = statistics.median(seconds)
    return costs


def placed_with(model: nn.Module, inputs: Inputs) -> Inputs:
    """Tensors on the device of a model, those of floats in its dtype."""
    first = next(model.parameters())
    return {
        name: value.to(first.device, first.dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
    }


def first_of(inputs: Inputs) -> Inputs:
    """A batch of the first sample alone."""
    return {name: value[:1] if isinstance(value, torch.Tensor) else value for name, value in inputs.items()}


def device_of(inputs: Inputs) -> torch.device:
    """The device of a batch."""
    return next(value.device for value in inputs.values() if isinstance(value, torch.Tensor))


def _now(device: torch.device) -> float:
    """The time in seconds, after all work of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
