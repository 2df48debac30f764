"""Forwards in several threads."""

from __future__ import annotations

import threading

import torch
from cases import Case
from layouts import each_layout

from hf_tome import apply_tome
from hf_tome.engine.state import LOCAL


@each_layout
@torch.no_grad()
def test_threads_of_different_batch_sizes_equal_serial_runs(case: Case) -> None:
    model, rounds = apply_tome(case.build(), r=4), 5
    batches = [case.inputs(batch=n, seed=n) for n in range(1, 9)]
    serial = [model(**batch).logits for batch in batches]
    start, wrong = threading.Barrier(len(batches)), []

    @torch.no_grad()
    def work(index: int) -> None:
        start.wait()
        for _ in range(rounds):
            logits = model(**batches[index]).logits
            if not torch.allclose(logits, serial[index], rtol=0, atol=1e-6) or LOCAL.now.forward or LOCAL.now.record:
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
