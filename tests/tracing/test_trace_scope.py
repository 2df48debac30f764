"""Which forwards a trace records, and when it begins and ends."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT, Case, tower_of
from comparison import assert_same
from gradients import checkpoint
from invariants import check
from layouts import each_layout
from torch import nn

from hf_tome import NotPatchedError, ToMeError, ToMeValueError, apply_tome, remove_tome, trace_tome


@each_layout
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
