"""One model with several r on the same batches: accuracy, agreement, paired speed-up."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hf_tome.api import apply_tome, remove_tome
from hf_tome.core.macs import mac_ratio
from hf_tome.errors import ToMeValueError, complaint
from hf_tome.report.timing import Timing, pair, turned
from hf_tome.trace import trace_tome


@dataclass
class Row(Timing):
    """What one r did: a `Timing` of which each round is a batch.

    Attributes:
        correct: inputs whose label was predicted; None where there are no labels.
        agreeing: inputs on which the prediction is that of the untouched model.
    """

    correct: int | None = None
    agreeing: int = 0


def compare(
    model: nn.Module,
    batches: Iterable[tuple[dict[str, Tensor], Tensor | None]],
    rs: list[Any],
    done: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Run the untouched model and each r on every batch, in turn, so that a drift of the machine hits all alike.

    Args:
        model: a classification model of a supported family; comes back as it came.
        batches: pairs of the model's keyword inputs and labels (batch,) or None. All of one shape, the last may be
            smaller.
        rs: values of r, as `apply_tome` takes them.
        done: called after each batch, for a progress bar.

    Returns:
        A row for the untouched model, then one per r.

    Raises:
        ToMeValueError: if there is no batch.
    """
    plain = remove_tome(copy.deepcopy(model)).eval()
    variants = [(Row(None), plain), *((Row(r), apply_tome(copy.deepcopy(plain), r)) for r in rs)]
    with torch.inference_mode():
        for number, (inputs, labels) in enumerate(batches):
            if number == 0:
                _warm_up(variants, inputs)
            _run_batch(turned(variants, number), plain, inputs, labels)
            done()
    rows = [row for row, _ in variants]
    if not rows[0].inputs:
        raise ToMeValueError(complaint("There must be inputs to compare on.", "none", "Give at least one batch."))
    pair(rows)
    return rows


def _warm_up(variants: list[tuple[Row, nn.Module]], inputs: dict[str, Tensor]) -> None:
    for row, variant in variants:
        if row.r is None:
            variant(**inputs)
            continue
        with trace_tome(variant) as trace:
            variant(**inputs)
        row.token_counts = trace.token_counts
        config: Any = variant.config
        row.mac_ratio = mac_ratio(trace.token_counts, config.hidden_size, config.intermediate_size)
    counts = next((row.token_counts for row, _ in variants if row.token_counts), [])
    variants[0][0].token_counts = counts[:1] * len(counts)


def _run_batch(
    variants: list[tuple[Row, nn.Module]], plain: nn.Module, inputs: dict[str, Tensor], labels: Tensor | None
) -> None:
    predictions: dict[int, Tensor] = {}
    for row, variant in variants:
        start = time.perf_counter()
        logits = variant(**inputs).logits
        predictions[id(row)] = logits.argmax(-1).cpu()  # waits for the device
        row.seconds.append(time.perf_counter() - start)
    reference = next(predictions[id(row)] for row, variant in variants if variant is plain)
    for row, _ in variants:
        predicted = predictions[id(row)]
        row.inputs += len(predicted)
        row.agreeing += int((predicted == reference).sum())
        if labels is not None:
            row.correct = (row.correct or 0) + int((predicted == labels).sum())
