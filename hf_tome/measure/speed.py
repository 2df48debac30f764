"""Speed and memory of one model at several r, on one batch, in inference or in training."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hf_tome.api import apply_tome
from hf_tome.data.pretrained import saved_settings
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.measure.compare import Inputs, Run, inference, run_costs, time_rounds, token_costs, twin
from hf_tome.measure.overhead import merging_share
from hf_tome.measure.row import UNMERGED, Row, pair
from hf_tome.measure.variants import setting_of

OURS = "hf_tome"
Merge = Callable[[nn.Module, Any], nn.Module]


def measure(
    model: nn.Module,
    inputs: dict[str, Tensor],
    rs: Sequence[Any],
    *,
    rounds: int = 10,
    train: bool = False,
    compiled: str | None = None,
    rivals: dict[str, Merge] | None = None,
    latency: bool = True,
    overhead: bool = True,
    done: Callable[[], Any] = lambda: None,
) -> list[Row]:
    """Time the unmerged model and each r in turn, in one process, and measure their memory.

    Args:
        model: a model of a supported family with `logits`; comes back as it came.
        inputs: one batch, on the model's device.
        rs: values of r, as `apply_tome` takes them, in the settings that the model was saved with if it was.
        rounds: how often each variant runs.
        train: measure forward, backward and an AdamW step instead of inference.
        compiled: a mode of `torch.compile`, or None.
        rivals: other ways to merge, by name, each a function of a copy of the model and r.
        latency: time single inputs too, where a batch has several. A compiled model is compiled once more for them.
        overhead: profile the share of merging too. torch's profiler prints warnings outside of the main thread.
        done: called after each round, for a progress bar.

    Returns:
        A row for the unmerged model, then one for each r, and for each rival at that r.

    Raises:
        ToMeValueError: if there is nothing to time.
    """
    if rounds < 1 or not inputs:
        raise ToMeValueError(complaint("At least one round on one batch is timed.", f"{rounds} rounds", "Give more."))
    rows, models = _variants(model, inputs, rs, rivals or {}, train)
    runs = [_run(each, train, compiled) for each in models]
    batch = len(next(iter(inputs.values())))
    costs = run_costs(
        runs, inputs, rounds, memory=compiled is None, latency=latency and not train and batch > 1, done=done
    )
    for row, each, cost in zip(rows, models, costs, strict=True):
        row.batch, row.peak_bytes, row.latency = batch, cost.get("peak_bytes"), cost.get("latency")
        if row.name == OURS and overhead and not train:
            row.overhead = merging_share(each, inputs)
    for row, seconds in zip(rows, time_rounds(runs, inputs, rounds, done), strict=True):
        row.seconds, row.inputs = seconds, rounds * batch
        if batch == 1:
            row.latency = statistics.median(seconds)
    pair(rows)
    return rows


def _variants(
    model: nn.Module, inputs: Inputs, rs: Sequence[Any], rivals: dict[str, Merge], train: bool
) -> tuple[list[Row], list[nn.Module]]:
    """Rows with what can be counted, and the models they are of. Tokens of a rival are ours at the same r."""
    saved = saved_settings(model.config)  # pyright: ignore

    def fresh() -> nn.Module:
        plain = twin(model)
        return copy.deepcopy(plain).train() if train else plain  # each trains weights of its own

    rows, models = [Row(name=UNMERGED, **token_costs(model, None, inputs))], [fresh()]
    for r in rs:
        setting = setting_of(r, saved)
        costs = token_costs(model, setting, inputs)
        rows += [Row(r, name, **costs) for name in (OURS, *rivals)]
        models += [apply_tome(fresh(), config=setting), *(merge(fresh(), r) for merge in rivals.values())]
    return rows, models


def _run(model: nn.Module, train: bool, compiled: str | None) -> Run:
    """A forward, or a training step: forward, backward of the mean square of the logits, AdamW."""
    runs: Any = model if compiled is None else torch.compile(model, mode=compiled)
    if not train:
        return inference(runs)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def step(inputs: Inputs) -> None:
        runs(**inputs).logits.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return step
