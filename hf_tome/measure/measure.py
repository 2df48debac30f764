"""Speed and memory of one model at several r, in inference or in training."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hf_tome.api import apply_tome, remove_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.memory import peak_memory
from hf_tome.measure.overhead import merging_share
from hf_tome.measure.timing import Timing, pair, turned
from hf_tome.trace import trace_tome

Inputs = dict[str, Tensor]


@dataclass
class Measured(Timing):
    """One variant: a `Timing` of which each round is a batch.

    Attributes:
        name: what it is, for people.
        batch: inputs a round.
        latency: seconds for a single input, the median; None where it was not measured.
        peak_bytes: the most memory that one round holds at once, beyond model and inputs; None where compiled.
        overhead: share of the forward that goes into merging; None where it was not measured.
    """

    name: str = ""
    batch: int = 0
    latency: float | None = None
    peak_bytes: int | None = None
    overhead: float | None = None


@dataclass
class Variant:
    """A model with what is measured of it. `run` does one round on some inputs."""

    measured: Measured
    model: nn.Module
    run: Callable[[Inputs], Any]


def measure(
    model: nn.Module,
    inputs: Inputs,
    rs: Sequence[Any],
    *,
    rounds: int = 10,
    train: bool = False,
    compiled: str | None = None,
    rivals: dict[str, Callable[[nn.Module, Any], nn.Module]] | None = None,
    latency: bool = True,
    done: Callable[[], None] = lambda: None,
) -> list[Measured]:
    """Time the untouched model and each r in turn, in one process, and count what they hold.

    Args:
        model: a model of a supported family with `logits`; comes back as it came.
        inputs: one batch, on the model's device.
        rs: values of r, as `apply_tome` takes them.
        rounds: how often each variant runs.
        train: measure forward, backward and an AdamW step instead of inference.
        compiled: a mode of `torch.compile`, or None.
        rivals: other ways to merge, by name, each a function of a copy of the model and r.
        latency: time single inputs too, where a batch has several. A compiled model is compiled once more for them.
        done: called after each round, for a progress bar.

    Returns:
        A row for the untouched model, then one for each r, and for each rival at that r.

    Raises:
        ToMeValueError: if there is nothing to time.
    """
    if rounds < 1 or not inputs:
        raise ToMeValueError(complaint("At least one round on one batch is timed.", f"{rounds} rounds", "Give more."))
    variants = _variants(model, rs, rivals or {}, train, compiled)
    batch = len(next(iter(inputs.values())))
    for variant in variants:
        variant.measured.batch = batch
        variant.run(inputs)
        variant.measured.peak_bytes = (
            None if compiled else peak_memory(lambda v=variant: v.run(inputs), device_of(inputs))
        )
    _count_tokens(variants, {name: value[:1] for name, value in inputs.items()})
    if not train:
        for variant in _merging(variants):
            variant.measured.overhead = merging_share(variant.model, inputs)
    for number in range(rounds):
        for variant in turned(variants, number):
            variant.measured.seconds.append(_seconds(variant, inputs))
            variant.measured.inputs += batch
        done()
    if batch == 1:
        for variant in variants:
            variant.measured.latency = statistics.median(variant.measured.seconds)
    elif latency and not train:
        _latencies(variants, {name: value[:1] for name, value in inputs.items()}, rounds, done)
    rows = [variant.measured for variant in variants]
    pair(rows)
    return rows


def _variants(model: nn.Module, rs: Sequence[Any], rivals: dict, train: bool, compiled: str | None) -> list[Variant]:
    plain = remove_tome(copy.deepcopy(model)).train(train)
    models = [(Measured(None, name="unpatched"), plain)]
    for r in rs:
        models.append((Measured(r, name="hf_tome"), apply_tome(copy.deepcopy(plain), r)))
        models.extend((Measured(r, name=name), rival(copy.deepcopy(plain), r)) for name, rival in rivals.items())
    return [Variant(measured, each, _runner(each, train, compiled)) for measured, each in models]


def _runner(model: nn.Module, train: bool, compiled: str | None) -> Callable[[Inputs], Any]:
    runs: Any = model if compiled is None else torch.compile(model, mode=compiled)
    if not train:
        return torch.inference_mode()(lambda inputs: runs(**inputs).logits)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def step(inputs: Inputs) -> None:
        runs(**inputs).logits.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def _merging(variants: list[Variant]) -> list[Variant]:
    return [variant for variant in variants if variant.measured.name == "hf_tome"]


def _count_tokens(variants: list[Variant], single: Inputs) -> None:
    """Tokens and multiply-adds; those of a rival are those of hf_tome at the same r, which stands before it."""
    counts: list[int] = []
    for variant in variants:
        measured, config = variant.measured, variant.model.config
        if measured.name == "hf_tome":
            with torch.no_grad(), trace_tome(variant.model) as trace:
                variant.model(**single)
            counts = trace.token_counts
        if counts:
            measured.token_counts = counts
            measured.mac_ratio = mac_ratio(counts, config.hidden_size, config.intermediate_size)  # pyright: ignore
    if counts:
        variants[0].measured.token_counts = counts[:1] * len(counts)


def _latencies(variants: list[Variant], single: Inputs, rounds: int, done: Callable[[], None]) -> None:
    seconds: dict[int, list[float]] = {id(variant): [] for variant in variants}
    for variant in variants:
        variant.run(single)
    for number in range(rounds):
        for variant in turned(variants, number):
            seconds[id(variant)].append(_seconds(variant, single))
        done()
    for variant in variants:
        variant.measured.latency = statistics.median(seconds[id(variant)])


def device_of(inputs: Inputs) -> torch.device:
    """Where a batch lies."""
    return next(iter(inputs.values())).device


def _seconds(variant: Variant, inputs: Inputs) -> float:
    cuda = device_of(inputs).type == "cuda"
    if cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    variant.run(inputs)
    if cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start
