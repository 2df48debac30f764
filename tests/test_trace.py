"""trace_tome: counts, sizes, groups and grid of each forward, for images, videos and audio."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
import torch
from cases import (
    BARE,
    LAYERS,
    SMALL_VIDEO,
    SMALL_VIT,
    Case,
    assert_same,
    checkpoint,
    each_bare,
    each_case,
    each_classifier,
    tower_of,
)
from torch import nn

from hf_tome import (
    NotPatchedError,
    ToMeError,
    ToMeTypeError,
    ToMeValueError,
    UnsupportedModelError,
    apply_tome,
    remove_tome,
    trace_tome,
)
from hf_tome.core import Schedule
from hf_tome.trace import ForwardTrace

SCHEDULES = (0, 3, 0.2, (3, -1.0), (3, 1.0), [5, 0, 2], 1000)


def check(trace: ForwardTrace, case: Case, batch: int) -> None:
    """What holds for every trace."""
    first, last = trace.token_counts[0], trace.token_counts[-1]
    assert first == case.tokens
    assert len(trace.token_counts) == LAYERS + 1
    assert trace.sizes.shape == (batch, last)
    assert trace.sizes.dtype == torch.float32
    assert trace.sizes.sum(1).tolist() == [first] * batch
    assert trace.groups.shape == (batch, first)
    assert trace.groups.dtype == torch.int64
    for sizes, groups in zip(trace.sizes, trace.groups, strict=True):
        assert groups.min() >= 0
        assert torch.equal(groups.bincount(minlength=last).float(), sizes)  # so each final token has a member
    protected = torch.arange(case.family.protected)
    assert torch.equal(trace.groups[:, : len(protected)], protected.expand(batch, -1))
    assert (trace.sizes[:, : len(protected)] == 1).all()
    assert trace.grid == case.family.grid
    assert trace.protected == case.family.protected


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("r", SCHEDULES, ids=str)
@each_case
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


@each_classifier
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


@each_bare
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


@each_classifier
@torch.no_grad()
def test_several_forwards(case: Case) -> None:
    model = apply_tome(case.build(), r=3)
    with trace_tome(model) as trace:
        assert len(trace) == 0
        model(**case.inputs(batch=2, seed=1))
        apply_tome(model, r=1)  # a change inside the block holds from the next forward on
        model(**case.inputs(batch=3, seed=2))
    model(**case.inputs(batch=4))  # outside: not recorded
    assert len(trace) == 2
    assert [len(forward.sizes) for forward in trace.forwards] == [2, 3]
    assert [case.tokens - forward.token_counts[1] for forward in trace.forwards] == [3, 1]
    assert trace.last is trace[1] is trace.forwards[-1]
    for forward, batch in zip(trace.forwards, (2, 3), strict=True):
        check(forward, case, batch)


@torch.no_grad()
def test_nested_traces_record_each_their_own() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    with trace_tome(model) as outer:
        model(**SMALL_VIT.inputs())
        with trace_tome(model) as inner:
            model(**SMALL_VIT.inputs())
        model(**SMALL_VIT.inputs())
    assert (len(outer), len(inner)) == (3, 1)


@torch.no_grad()
def test_a_trace_of_one_model_leaves_another_out() -> None:
    image, video = apply_tome(SMALL_VIT.build(), r=3), apply_tome(SMALL_VIDEO.build(), r=3)
    with trace_tome(image) as trace:
        video(**SMALL_VIDEO.inputs())
        image(**SMALL_VIT.inputs())
    assert [forward.grid for forward in trace.forwards] == [SMALL_VIT.family.grid]


@torch.no_grad()
def test_a_trace_of_a_container_records_all_models_in_it() -> None:
    pair = nn.ModuleList([apply_tome(SMALL_VIT.build(), r=3), apply_tome(SMALL_VIDEO.build(), r=2)])
    with trace_tome(pair) as trace:
        pair[1](**SMALL_VIDEO.inputs())
        pair[0](**SMALL_VIT.inputs())
    assert [forward.grid for forward in trace.forwards] == [SMALL_VIDEO.family.grid, SMALL_VIT.family.grid]


def test_an_exception_inside_the_block_ends_the_trace() -> None:
    model, traces = apply_tome(SMALL_VIT.build(), r=3), []

    def traced() -> None:
        with trace_tome(model) as trace:
            traces.append(trace)
            model(**SMALL_VIT.inputs())
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        traced()
    model(**SMALL_VIT.inputs())
    assert len(traces[0]) == 1


def test_a_forward_that_fails_is_not_recorded() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    with trace_tome(model) as trace:
        with pytest.raises(ValueError, match="size"):
            model(pixel_values=torch.zeros(2, 3, 8, 8))
        assert len(trace) == 0
        model(**SMALL_VIT.inputs())
    assert len(trace) == 1


def test_an_empty_trace_says_so() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    with trace_tome(model) as trace:
        pass
    for name in ("last", "token_counts", "sizes", "groups", "grid"):
        with pytest.raises(ToMeValueError, match="forward"):
            getattr(trace, name)
    with pytest.raises(ToMeValueError, match="forward"):
        trace.unmerge(torch.zeros(1, 2, 3))


def test_an_unpatched_model_is_refused() -> None:
    for model in (SMALL_VIT.build(), remove_tome(apply_tome(SMALL_VIT.build(), r=3)), nn.Linear(2, 2)):
        with pytest.raises(NotPatchedError, match="apply_tome") as caught, trace_tome(model):
            pass
        assert isinstance(caught.value, ToMeError)


def test_a_trace_needs_no_memory_of_gradients_and_changes_nothing() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    expected = model(**SMALL_VIT.inputs())
    with trace_tome(model) as trace:
        assert_same(model(**SMALL_VIT.inputs()), expected)
    assert not trace.sizes.requires_grad
    assert not trace.groups.requires_grad


@torch.no_grad()
def test_a_trace_counts_a_forward_once_under_checkpointing() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3).train()
    checkpoint(model)
    with torch.enable_grad(), trace_tome(model) as trace:
        model(**SMALL_VIT.inputs(), labels=torch.tensor([0, 1])).loss.backward()
    assert len(trace) == 1
    check(trace.last, SMALL_VIT, 2)


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
def test_a_trace_of_the_tower_alone() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    with trace_tome(tower_of(model, SMALL_VIT)) as trace:
        model(**SMALL_VIT.inputs())
    check(trace.last, SMALL_VIT, 2)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@torch.no_grad()
def test_a_copy_made_inside_the_block_is_not_traced(copied: Any) -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    with trace_tome(model) as trace:
        model(**SMALL_VIT.inputs())
        twin = copied(model)
        twin(**SMALL_VIT.inputs())
    assert len(trace) == 1
    assert tower_of(twin, SMALL_VIT)._tome.listeners == []  # pyright: ignore


@torch.no_grad()
def test_a_trace_of_forwards_in_other_threads() -> None:
    model = apply_tome(SMALL_VIT.build(), r=3)
    with trace_tome(model) as trace:
        threads = [threading.Thread(target=lambda n: model(**SMALL_VIT.inputs(n)), args=(n,)) for n in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(len(forward.sizes) for forward in trace.forwards) == [1, 2, 3]
    for forward in trace.forwards:
        check(forward, SMALL_VIT, len(forward.sizes))


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


def test_layers_that_share_a_module_are_refused():
    model = SMALL_VIT.build()
    layers = model.vit.layers
    layers[1] = layers[0]
    with pytest.raises(UnsupportedModelError, match="a module of its own"):
        apply_tome(model, r=3)
