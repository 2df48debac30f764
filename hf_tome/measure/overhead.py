"""How much of a forward goes into merging itself, by torch's profiler."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

from hf_tome.core import ops
from hf_tome.engine import attention, record
from hf_tome.engine.record import LayerRecord
from hf_tome.engine.state import Forward

WHOLE, MERGING = "hf_tome.forward", "hf_tome.merging"
# Every step that merging adds: log-size, matching, merge, the way back to all positions.
STEPS: tuple[tuple[Any, str], ...] = (
    (attention, "log_sizes"),
    (record, "decide"),
    (LayerRecord, "_merged"),
    (ops, "merge_norm"),
    (Forward, "restore"),
)


def merging_share(model: nn.Module, inputs: dict[str, Tensor], forwards: int = 5) -> float:
    """The share of a patched model's forward that goes into merging, in [0, 1].

    On a CPU the share of the time, on CUDA the share of the time on the device. Each step of merging is marked for the
    profiler while this runs, and only then.
    """
    on_device = next(iter(inputs.values())).is_cuda
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_device else [])]
    with torch.inference_mode(), ExitStack() as marks:
        for owner, name in STEPS:
            marks.enter_context(patch.object(owner, name, record_function(MERGING)(getattr(owner, name))))
        model(**inputs)
        with profile(activities=activities) as profiler:
            for _ in range(forwards):
                with record_function(WHOLE):
                    model(**inputs)
                    if on_device:
                        torch.cuda.synchronize()
    totals = {event.key: event for event in profiler.key_averages()}
    field = "device_time_total" if on_device else "cpu_time_total"
    return getattr(totals[MERGING], field) / getattr(totals[WHOLE], field) if MERGING in totals else 0.0
