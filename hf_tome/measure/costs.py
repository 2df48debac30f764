"""The peak memory and the multiply-adds of a call, counted while it runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count
from transformers.modeling_layers import GradientCheckpointingLayer


def peak_memory(run: Callable[[], Any], device: torch.device) -> int:
    """The most bytes that `run` allocates at once, beyond those that are allocated when it is called.

    On CUDA by the allocator's own count; elsewhere the bytes of all tensors made (`LiveBytes`).
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with LiveBytes() as live:
        run()
    return live.peak


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are made inside it: those that live `now`, and the `peak` of that.

    What lived before is not counted, nor what a kernel takes for itself while it runs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: dict[int, weakref.ref] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        before = {_key(tensor) for tensor in tree_iter((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_iter(out):
            # a view of what was there before, or of what is counted already, takes no memory
            if isinstance(tensor, Tensor) and _key(tensor) not in before and _key(tensor) not in self._known:
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()

        def gone(_: weakref.ref) -> None:
            self.now -= size
            del self._known[key]

        self._known[key] = weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def counted_macs(model: nn.Module, inputs: dict[str, Tensor]) -> int:
    """Multiply-adds of all layers in one forward, as torch counts them while it runs; the matching's own included.

    `encoder_macs` times the batch size gives the same within 1 %. Patch embedding and head are in neither.
    """
    cpu_kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # torch counts nothing for this one
    counts: dict[Any, Any] = {cpu_kernel: lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)}
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=counts) as counter:
        model(**inputs)
    layers = {name for name, module in model.named_modules() if isinstance(module, GradientCheckpointingLayer)}
    flops = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    return sum(flops[name] for name in layers) // 2
