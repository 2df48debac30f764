"""The speed of full-size models on a GPU, eager and with compiled layers, each also as a CUDA graph; and of its parts.

A CUDA graph replays all launches of a forward at once, so that the host does not count. `hf_tome.graphed` makes it,
which copies inputs in and outputs out. Times are those of CUDA events.
"""

from __future__ import annotations

import copy
import gc
import json
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

import torch
from torch import Tensor, nn
from transformers import masking_utils

from benchmarks.cut import cut
from benchmarks.gpu_ways import ways_of
from benchmarks.pages import machine
from benchmarks.plain import PROTECTED, layers_of, plain_tome
from benchmarks.speed_cases import DRY, GPU, Case
from hf_tome import apply_tome, compile, graphed
from hf_tome.core.macs import mac_ratio
from hf_tome.core.schedule import Schedule
from hf_tome.cuda_graphs import capture
from hf_tome.measure.presets import build, random_inputs

SECONDS = {"eager": 15, "ways": 15, "compiled": 60}  # what a case may take: none begins with less left
REPEATS = 10  # calls of a way at a time: one alone takes some microseconds
Run = Callable[..., Any]


class OutOfTime(BaseException):
    """Raised where the program is when its time is over. No `except Exception` may take it for an error of a case."""


def measure_gpu(out: Path, limit: float, dry: bool = False, cases: tuple[Case, ...] | None = None) -> None:
    """Measure each case eagerly, then compiled as time allows. Each row is printed, and kept at once.

    Args:
        out: folder in which `speed-gpu.jsonl` is written anew, a row a line; the first line names the machine.
        limit: seconds after which it ends, wherever it is.
        dry: on the CPU, with tiny models; the graphs are then plain calls.
        cases: what to measure; by default those of `speed_cases`.
    """
    device, end = "cpu" if dry else "cuda", time.monotonic() + limit
    out.mkdir(parents=True, exist_ok=True)
    with (out / "speed-gpu.jsonl").open("w") as file, time_limit(limit), baseline_without_mask():
        keep(file, machine=machine(device), dry=dry)
        for how, seconds in SECONDS.items():
            for case in cases or (DRY if dry else GPU):
                about = {"config": case.config, "batch": case.batch, "r": case.rs[0], "how": how}
                if (left := end - time.monotonic()) < seconds:
                    keep(file, **about, skipped=f"{left:.0f} s left")
                    continue
                try:
                    for row in way_rows(case, device) if how == "ways" else rows_of(case, how, device):
                        keep(file, **about, **row)
                except Exception as error:  # it must not cost the other cases
                    keep(file, **about, error=f"{type(error).__name__}: {str(error)[:500]}")
                gc.collect()
                if device == "cuda":
                    torch.cuda.empty_cache()


def rows_of(case: Case, how: str, device: str) -> Iterator[dict[str, Any]]:
    """The rows of one case: each variant in turn with the others, then each by `hf_tome.graphed`."""
    model = on_device(case, device)
    inputs, (r,) = random_inputs(model, case.batch), case.rs
    models: dict[str, nn.Module] = {
        "unpatched": model,
        "hf_tome": apply_tome(copy.deepcopy(model), r),
        "cut": cut(copy.deepcopy(model), r),
    }
    if how == "compiled":
        compile_layers(models, "inductor" if device == "cuda" else "aot_eager")
    else:
        models["plain"] = plain_tome(copy.deepcopy(model), r)
    ratio = ratio_of(model, r)
    runs = {name: forward_of(each, inputs) for name, each in models.items()}
    yield from timed(runs, case.rounds, ratio, device)
    graphs = {
        name: forward_of(each if device == "cpu" else graphed(each), inputs)
        for name, each in models.items()
        if name != "plain"
    }
    for row in timed(graphs, case.rounds, ratio, device):
        yield {"graph": True, **row}


def way_rows(case: Case, device: str) -> Iterator[dict[str, Any]]:
    """A row for each way of each part: microseconds of a call in each round, as a CUDA graph."""
    model = on_device(case, device)
    tokens, protected = tokens_of(model), PROTECTED[model.config.model_type]
    repeats, warm = (1, 0) if device == "cpu" else (REPEATS, 2)  # Triton's interpreter is slow
    with torch.inference_mode():
        for part, way, call in ways_of(case, model.config, tokens, protected, device):
            call()
            run = partial(repeated, call, repeats)
            replay = run if device == "cpu" else capture(run)[0].replay
            times = [1000 * milliseconds(replay, device) / repeats for _ in range(warm + case.rounds)][warm:]
            yield {"part": part, "way": way, "us": [round(each, 2) for each in times]}


def repeated(call: Run, times: int) -> None:
    for _ in range(times):
        call()


def on_device(case: Case, device: str) -> Any:
    """The untouched model, made where it runs."""
    with torch.device(device):
        model = build(case.config, **case.settings).to(getattr(torch, case.dtype))
    embeddings = model.base_model.embeddings
    if not isinstance(embeddings.position_embeddings, nn.Parameter):  # VideoMAE would copy it from the CPU every time
        embeddings.position_embeddings = embeddings.position_embeddings.to(device, model.dtype)
    return model


def ratio_of(model: Any, r: int) -> float:
    """The MAC ratio, from the schedule alone."""
    config = model.config
    counts = Schedule.parse(r).counts(tokens_of(model), config.num_hidden_layers, PROTECTED[config.model_type])
    return mac_ratio(counts, config.hidden_size, config.intermediate_size)


def tokens_of(model: Any) -> int:
    """The tokens that enter the first layer."""
    return model.base_model.embeddings.position_embeddings.shape[1]


def compile_layers(models: dict[str, nn.Module], backend: str) -> None:
    """Compile the layers of each: for their one number of tokens where it never changes, else for any."""
    torch.compiler.reset()
    compile(models["hf_tome"], backend=backend)
    for name, dynamic in (("unpatched", False), ("cut", True)):
        for layer in layers_of(models[name]):
            layer.compile(backend=backend, dynamic=dynamic)


def forward_of(model: Run, inputs: dict[str, Tensor]) -> Run:
    """A forward of `model`, without gradients."""

    @torch.inference_mode()
    def forward() -> Any:
        return model(**inputs).logits

    return forward


def timed(runs: dict[str, Run], rounds: int, ratio: float, device: str) -> Iterator[dict[str, Any]]:
    """A row for each run: milliseconds of each round, median speed-up against the first run, and score."""
    first_calls = {}
    for name, run in runs.items():
        start = time.monotonic()
        run()
        synchronize(device)
        first_calls[name] = time.monotonic() - start
    times: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(-2, rounds):  # two to warm up
        for name, run in runs.items():
            ms = milliseconds(run, device)
            if turn >= 0:
                times[name].append(ms)
    base = next(iter(times.values()))
    for name, mine in times.items():
        speedup = statistics.median(a / b for a, b in zip(base, mine, strict=True))
        yield {
            "variant": name,
            "mac_ratio": 1.0 if mine is base else ratio,
            "speedup": round(speedup, 3),
            "score": round(speedup / (1.0 if mine is base else ratio), 3),
            "first_call_s": round(first_calls[name], 2),
            "ms": [round(each, 4) for each in mine],
        }


def milliseconds(run: Run, device: str) -> float:
    """What one call takes on the device, by its own clock; where that waits for the host, it counts."""
    if device == "cpu":
        start = time.perf_counter()
        run()
        return 1000 * (time.perf_counter() - start)
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def synchronize(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def baseline_without_mask() -> AbstractContextManager:
    """Compiled or captured, transformers makes a mask that hides nothing, and slows the untouched model down by it."""
    skip, name = lambda padding_mask, *rest, **more: padding_mask is None, "_ignore_bidirectional_mask_sdpa"
    return patch.object(masking_utils, name, skip) if hasattr(masking_utils, name) else nullcontext()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End what stands in it after `seconds`, in the middle of a compilation too."""

    def stop(number: int, frame: Any) -> None:
        raise OutOfTime

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    except OutOfTime:
        print(f"The time is over: {seconds:.0f} s. What was measured is kept.", flush=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def keep(file: TextIO, **row: Any) -> None:
    """Print a row, and write it at once."""
    line = json.dumps(row)
    print(line, flush=True)
    file.write(line + "\n")
    file.flush()
