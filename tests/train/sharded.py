"""Three steps of training with the weights sharded over two processes by FSDP2; r changes after the first.

By torch's own `fully_shard`: accelerate takes its FSDP setting on accelerators only (on a CPU it runs DDP instead).
`torchrun --nproc_per_node 2 sharded.py FOLDER` writes the losses into `FOLDER/found.json`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from cases import CLASSES, SMALL_VIT, layers_of
from gradients import checkpoint
from torch import Tensor, nn

from hf_tome import apply_tome, trace_tome

SAMPLES, STEPS = 8, 3
Found = list[tuple[float, list[int]]]


def train(model: nn.Module, part: slice, mean: Callable[[Tensor], Tensor]) -> Found:
    """Loss and tokens of each step. `part`: the samples that this process takes."""
    inputs, labels = SMALL_VIT.inputs(SAMPLES), torch.arange(SAMPLES) % CLASSES
    optimizer, found = torch.optim.SGD(model.parameters(), lr=0.1), []
    for step in range(STEPS):
        apply_tome(model, r=4 if step == 0 else 2)
        with trace_tome(model) as trace:
            loss = model(**{name: tensor[part] for name, tensor in inputs.items()}, labels=labels[part]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append((mean(loss.detach().clone()).item(), trace[0].token_counts))
    return found


def mean_over_processes(value: Tensor) -> Tensor:
    torch.distributed.all_reduce(value)
    return value / torch.distributed.get_world_size()


def main() -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank, mesh = torch.distributed.get_rank(), init_device_mesh("cpu", (2,))
    model = apply_tome(SMALL_VIT.build(), r=4).train()
    checkpoint(model, use_reentrant=False)
    for part in (*layers_of(model, SMALL_VIT), model):
        fully_shard(part, mesh=mesh)
    half = SAMPLES // 2
    found = train(model, slice(half * rank, half * rank + half), mean_over_processes)
    if rank == 0:
        Path(sys.argv[1], "found.json").write_text(json.dumps(found))
    torch.distributed.barrier()
    os._exit(0)


if __name__ == "__main__":
    main()
