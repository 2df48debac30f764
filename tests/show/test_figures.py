"""Figures of token counts, sizes and schedules show the numbers of the trace."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from traced import VIT, traced

from hf_tome import ToMeError
from hf_tome.show import schedule_figure, token_counts_figure
from hf_tome.show.figures import patch_sizes


def test_sizes_are_those_of_the_trace() -> None:
    trace = traced(VIT, torch.randn(3, 3, 24, 24), r=12)
    tokens: Counter[int] = Counter()
    for sizes in trace.sizes[:, 1:]:
        tokens.update(int(size) for size in sizes)
    assert Counter(patch_sizes(trace, 4).ravel().tolist()) == {n: n * m for n, m in tokens.items()}
    assert (patch_sizes(trace, 0) == np.ones((3, 36))).all()


def test_bars_are_the_counts() -> None:
    trace = traced(VIT, torch.randn(2, 3, 24, 24), r=6)
    left, right = token_counts_figure(trace).axes
    assert [bar.get_height() for bar in left.containers[0]] == trace.token_counts
    tops = np.sum([[bar.get_height() for bar in bars] for bars in right.containers], axis=0)
    np.testing.assert_allclose(tops, 1)


def test_schedules_are_drawn_before_any_model_runs() -> None:
    left, right = schedule_figure([8, (8, -1.0), [4, 0, 4]], tokens=37, layers=4, protected=1).axes
    assert right.lines[0].get_ydata().tolist() == [37, 29, 21, 13, 7]
    assert left.lines[2].get_ydata().tolist() == [4, 0, 4, 0]
    for wrong in (-1, "x", [1] * 9):
        with pytest.raises(ToMeError):
            schedule_figure([wrong], tokens=37, layers=4)
