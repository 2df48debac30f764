"""Distributed training in two processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from cases import SMALL_VIT
from gradients import assert_close, gradients
from torch import nn
from transformers import PreTrainedModel

from hf_tome import apply_tome


def train_one_step(rank: int, model: PreTrainedModel, folder: str) -> None:
    """One distributed backward on this process's half of the batch."""
    wrapped = nn.parallel.DistributedDataParallel(model.train())
    inputs = {name: tensor[2 * rank : 2 * rank + 2] for name, tensor in SMALL_VIT.inputs(4).items()}
    apply_tome(wrapped, r=4)  # re-configured through the container
    wrapped(**inputs, labels=torch.tensor([rank, 3 - rank])).loss.backward()
    if rank == 0:
        torch.save({name: p.grad for name, p in model.named_parameters()}, f"{folder}/gradients.pt")


def one_of_two_processes(rank: int, model: PreTrainedModel, folder: str) -> None:
    """Ends without the interpreter's clean-up: the reducer frees the process group there while it holds the GIL,
    which a thread of gloo may be waiting for, and one run in a few never ends."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    train_one_step(rank, model, folder)
    torch.distributed.barrier()
    os._exit(0)


@pytest.mark.slow
def test_distributed_training_in_two_processes(tmp_path: Path) -> None:
    """The patched model also travels to the processes by pickle."""
    model = apply_tome(SMALL_VIT.build(), r=2)
    processes = torch.multiprocessing.spawn(one_of_two_processes, args=(model, str(tmp_path)), nprocs=2, join=False)
    assert processes is not None
    try:
        assert processes.join(timeout=120) or processes.join(timeout=5), "the processes did not end"
    finally:
        for process in processes.processes:
            process.kill()
    apply_tome(model, r=4).train()

    def alone() -> None:
        for rank in (0, 1):
            inputs = {name: tensor[2 * rank : 2 * rank + 2] for name, tensor in SMALL_VIT.inputs(4).items()}
            (model(**inputs, labels=torch.tensor([rank, 3 - rank])).loss / 2).backward()

    assert_close(torch.load(tmp_path / "gradients.pt"), gradients(model, alone))
