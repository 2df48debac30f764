"""What a trace holds: counts, sizes, groups and grid of each forward, for images, videos and audio."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import BARE, CASES, LAYERS, SMALL_VIDEO, SMALL_VIT, Case, each_bare
from invariants import check
from layouts import each_layout

from hf_tome import ToMeTypeError, ToMeValueError, apply_tome, trace_tome
from hf_tome.core import Schedule

SCHEDULES = (0, 3, 0.2, (3, -1.0), (3, 1.0), 1000)
EVERY_HEAD = [(case, [5, 0, 2], 3) for case in CASES]
EVERY_SCHEDULE = [(case, r, 1) for case in (SMALL_VIT, SMALL_VIDEO) for r in SCHEDULES]


@pytest.mark.parametrize(
    ("case", "r", "batch"), EVERY_HEAD + EVERY_SCHEDULE, ids=lambda value: getattr(value, "name", str(value))
)
@torch.no_grad()
def test_what_holds_for_every_trace(case: Case, r: Any, batch: int) -> None:
    model = apply_tome(case.build(), r=r)
    with trace_tome(model) as trace:
        model(**case.inputs(batch))
    check(trace.last, case, batch)
    assert trace.token_counts == Schedule.parse(r).counts(case.tokens, LAYERS, case.family.protected)
    assert (trace.token_counts, trace.grid) == (trace.last.token_counts, trace.last.grid)
    assert trace.sizes is trace.last.sizes
    assert torch.equal(trace.groups, trace.last.groups)


@each_layout
@torch.no_grad()
def test_r_zero_leaves_every_token_alone(case: Case) -> None:
    model = apply_tome(case.build(), r=0)
    with trace_tome(model) as trace:
        model(**case.inputs())
    assert trace.token_counts == [case.tokens] * (LAYERS + 1)
    assert torch.equal(trace.groups, torch.arange(case.tokens).expand(2, -1))
    assert (trace.sizes == 1).all()
    features = torch.randn(2, case.tokens, 7)
    assert torch.equal(trace.unmerge(features), features)


@each_layout
@torch.no_grad()
def test_groups_follow_the_layers(case: Case) -> None:
    """Tokens that are together stay together, and each layer's count is the number of groups so far."""
    model = apply_tome(case.build(), r=4)
    with trace_tome(model) as trace:
        model(**case.inputs())
    assert torch.equal(trace.last.groups_at(0), torch.arange(case.tokens).expand(2, -1))
    assert torch.equal(trace.last.groups_at(LAYERS), trace.groups)
    for layers in range(LAYERS):
        for before, after in zip(trace.last.groups_at(layers), trace.last.groups_at(layers + 1), strict=True):
            assert len(before.unique()) == trace.token_counts[layers]
            assert len(torch.stack([before, after]).unique(dim=1)[0]) == trace.token_counts[layers]
    for wrong in (-1, LAYERS + 1):
        with pytest.raises(ToMeValueError, match=str(LAYERS)):
            trace.last.groups_at(wrong)


@each_bare
@torch.no_grad()
def test_unmerge_restores_what_the_model_restores(case: Case) -> None:
    full, short = apply_tome(case.build(), r=4), apply_tome(case.build(), r=4, restore=False)
    with trace_tome(short) as trace:
        few = short(**case.inputs()).last_hidden_state
    assert torch.equal(trace.unmerge(few), full(**case.inputs()).last_hidden_state)
    assert torch.equal(trace.last.unmerge(few), trace.unmerge(few))
    numbers = torch.arange(trace.token_counts[-1]).expand(2, -1)
    assert torch.equal(trace.unmerge(numbers), trace.groups)  # (batch, tokens) works too


@torch.no_grad()
def test_a_trace_keeps_padding_out_of_the_sizes() -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=5), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 5:9] = 0
    with trace_tome(model) as trace:
        model(**SMALL_VIT.inputs(), attention_mask=mask)
    assert trace.sizes.sum(1).tolist() == mask.sum(1).tolist()
    for sizes, groups, kept in zip(trace.sizes, trace.groups, mask, strict=True):
        assert torch.equal(groups.bincount(kept, minlength=len(sizes)).float(), sizes)


@torch.no_grad()
def test_grids_of_input_that_is_not_square() -> None:
    for case, settings, shape, grid in (
        (BARE[0], {"image_size": [8, 24]}, (1, 3, 8, 24), (2, 6)),
        (BARE[0], {"patch_size": [8, 4]}, (1, 3, 24, 24), (3, 6)),
        (BARE[1], {"image_size": [24, 8]}, (1, 3, 24, 8), (6, 2)),
        (BARE[2], {"tubelet_size": 1}, (1, 4, 3, 16, 16), (4, 4, 4)),
        (BARE[2], {"num_frames": 8, "image_size": [8, 16]}, (1, 8, 3, 8, 16), (4, 2, 4)),
        (BARE[3], {"time_stride": 2, "max_length": 20}, (1, 20, 16), (5, 9)),
    ):
        model = apply_tome(case.build(**settings), r=1)
        with trace_tome(model) as trace:
            model(torch.randn(shape))
        assert trace.grid == grid
        assert trace.token_counts[0] == case.family.protected + int(torch.tensor(grid).prod())


def test_bad_arguments_of_a_trace():
    model = SMALL_VIT.build()
    apply_tome(model, r=3)
    with torch.no_grad(), trace_tome(model) as trace:
        model(**SMALL_VIT.inputs())
    for layers in ("x", 1.5, None, True):
        with pytest.raises(ToMeTypeError):
            trace.last.groups_at(layers)
    batch, final = trace.sizes.shape
    assert trace.unmerge(torch.zeros(batch, final, 2)).shape == (batch, trace.token_counts[0], 2)
    with pytest.raises(ToMeTypeError):
        trace.unmerge([1.0])
    for shape in ((batch, final + 1, 2), (batch + 1, final, 2), (batch,)):
        with pytest.raises(ToMeValueError, match="final tokens"):
            trace.unmerge(torch.zeros(shape))


@each_bare
@pytest.mark.parametrize(("r", "premerge"), [(0, 9), (3, 9), (2, 0.7), ([0, 3], 1000)])
@torch.no_grad()
def test_what_merged_before_the_first_layer(case: Case, r: Any, premerge: Any) -> None:
    model = apply_tome(case.build(), r=r, premerge=premerge)
    with trace_tome(model) as trace:
        model(**case.inputs())
    check(trace.last, case, 2)
    mergeable = case.tokens - case.family.protected
    gone = min(int(premerge * mergeable) if isinstance(premerge, float) else premerge, mergeable - 1)
    assert trace.last.premerged == gone
    assert trace.token_counts[1:] == Schedule.parse(r).counts(case.tokens - gone, LAYERS, case.family.protected)[1:]
