"""The bytes that live at once, on calls whose memory is known."""

from __future__ import annotations

import torch
from torch import nn

from hf_tome.measure import peak_memory
from hf_tome.measure.costs import LiveBytes

CPU, MIB = torch.device("cpu"), 2**20


def mebibyte() -> torch.Tensor:
    return torch.zeros(MIB // 4)


def test_what_lives_at_once_counts() -> None:
    def run() -> None:
        a = mebibyte()
        b = mebibyte()
        del a
        c = mebibyte()
        assert len(b) == len(c)

    assert peak_memory(run, CPU) == 2 * MIB


def test_views_in_place_and_what_was_there_before_count_nothing() -> None:
    before = mebibyte()

    def run() -> None:
        view = before.view(2, -1)[0]
        view.add_(1)
        before.t().detach()

    assert peak_memory(run, CPU) == 0


def test_what_is_returned_lives_on() -> None:
    with LiveBytes() as live:
        kept = mebibyte()
        view = kept[:10]
        del kept
        assert live.now == MIB
        del view
        assert live.now == 0
    assert live.peak == MIB


def test_training_holds_activations_and_gradients() -> None:
    model = nn.Sequential(*(nn.Linear(64, 64, bias=False) for _ in range(8)))
    x = torch.randn(1024, 64)
    held = peak_memory(lambda: model(x).sum().backward(), CPU)
    activation, weight = x.nbytes, 64 * 64 * 4
    assert 7 * activation <= held <= 10 * activation + 8 * weight
    with torch.inference_mode():
        assert peak_memory(lambda: model(x), CPU) == 2 * activation
