"""torch.compile of a patched model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from cases import BARE, SMALL_VIDEO, SMALL_VIT, Case, each_classifier
from comparison import apart
from gradients import Gradients, assert_close, furthest, gradients
from layouts import each_layout

import hf_tome
from hf_tome import NotPatchedError, apply_tome


@pytest.fixture
def fresh_dynamo(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache for this run alone: one that was stopped leaves cut-off libraries in the cache that all share."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "inductor"))
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


def graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.parametrize(
    "case", [SMALL_VIT, pytest.param(SMALL_VIDEO, marks=pytest.mark.slow)], ids=lambda case: case.name
)
@pytest.mark.usefixtures("fresh_dynamo")
@torch.no_grad()
def test_compile_in_one_graph_and_again_when_r_changes(case: Case) -> None:
    model = apply_tome(case.build(num_hidden_layers=2), r=4)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    for r, count in ((4, 1), (4, 1), (6, 2), (6, 2)):
        apply_tome(model, r=r)
        logits = compiled(**case.inputs()).logits
        assert apart(logits, model(**case.inputs()).logits) <= 1e-6
        assert graphs() == count


@pytest.mark.slow
@pytest.mark.parametrize("case", BARE, ids=lambda case: case.name)
@pytest.mark.usefixtures("fresh_dynamo")
@torch.no_grad()
def test_a_bare_tower_compiles_too(case: Case) -> None:
    """Then the tower's own hooks are outside of its graph."""
    model = apply_tome(case.build(num_hidden_layers=2), r=4)
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    counts = []
    for batch in (2, 2, 3, 3):
        inputs = case.inputs(batch=batch)
        assert apart(compiled(**inputs).last_hidden_state, model(**inputs).last_hidden_state) <= 1e-6
        counts.append(graphs())
    assert counts[:2] == [1, 1]
    assert counts[2] == counts[3]


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_dynamo")
def test_compile_before_any_forward_and_again_when_r_changes() -> None:
    model = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=4)
    compiled = torch.compile(model, backend="eager")
    for r in (4, 6):
        apply_tome(model, r=r)
        compiled(**SMALL_VIT.inputs(), **SMALL_VIT.labels()).loss.backward()


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_layers_share_their_graphs() -> None:
    """One where all sizes are 1, one for the layers after it: at any depth, batch size and r."""
    model = apply_tome(SMALL_VIT.build(num_hidden_layers=4), r=4)
    compiled = hf_tome.compile(copy.deepcopy(model), backend="eager")
    for r, batch in ((4, 2), (6, 3)):
        apply_tome(model, r=r), apply_tome(compiled, r=r)
        inputs = SMALL_VIT.inputs(batch=batch)
        assert apart(compiled(**inputs).logits, model(**inputs).logits) <= 1e-5
    assert graphs() <= 3


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_layers_share_their_graphs_in_training() -> None:
    model = apply_tome(SMALL_VIT.build(num_hidden_layers=4), r=4)
    compiled = hf_tome.compile(copy.deepcopy(model), backend="eager")
    inputs = {**SMALL_VIT.inputs(), **SMALL_VIT.labels()}
    plain = gradients(model, lambda: model(**inputs).loss.backward())
    assert_close(gradients(compiled, lambda: compiled(**inputs).loss.backward()), plain, 1e-5)
    assert graphs() <= 3


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_dynamo")
@torch.no_grad()
def test_compiled_layers_with_inductor() -> None:
    pytest.importorskip("torch._inductor")
    model = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=4)
    compiled = hf_tome.compile(copy.deepcopy(model))
    for r, batch in ((4, 2), (6, 3)):
        apply_tome(model, r=r), apply_tome(compiled, r=r)
        inputs = SMALL_VIT.inputs(batch=batch)
        assert apart(compiled(**inputs).logits, model(**inputs).logits) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["float32", "bf16 autocast"])
@each_layout
@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_layers_train_with_inductor(case: Case, half: bool) -> None:
    """In bf16 the compiled step rounds elsewhere, and may be as far from float32 as the plain one is."""
    pytest.importorskip("torch._inductor")
    model = apply_tome(case.build(num_hidden_layers=2), r=4).train()
    compiled, inputs = hf_tome.compile(copy.deepcopy(model)), {**case.inputs(), **case.labels()}

    def step(model: Any, half: bool) -> Gradients:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(**inputs).loss
        return gradients(model, loss.backward)

    exact, plain, found = step(model, False), step(model, half), step(compiled, half)
    if half:
        assert furthest(found, exact) <= 1.5 * furthest(plain, exact)
    else:
        assert_close(found, plain, 1e-5)
    assert graphs() <= 3


def test_compile_wants_a_patched_model() -> None:
    with pytest.raises(NotPatchedError, match="apply_tome"):
        hf_tome.compile(SMALL_VIT.build())


@pytest.mark.slow
@each_classifier
@pytest.mark.usefixtures("fresh_dynamo")
def test_compile_with_inductor(case: Case) -> None:
    pytest.importorskip("torch._inductor")
    model = apply_tome(case.build(), r=4)
    compiled = torch.compile(model, fullgraph=True)
    with torch.no_grad():
        for r in (4, (4, -1.0), 0):
            apply_tome(model, r=r)
            assert apart(compiled(**case.inputs()).logits, model(**case.inputs()).logits) <= 1e-5
    assert graphs() == 3


@pytest.mark.slow
@each_layout
@pytest.mark.usefixtures("fresh_dynamo")
def test_compiled_training(case: Case) -> None:
    model = apply_tome(case.build(), r=4).train()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    plain = gradients(model, lambda: model(**case.inputs(), **case.labels()).loss.backward())
    assert_close(gradients(model, lambda: compiled(**case.inputs(), **case.labels()).loss.backward()), plain, 1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_dynamo")
@torch.no_grad()
def test_compile_with_a_mask() -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=4), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    inputs = {**SMALL_VIT.inputs(), "attention_mask": mask}
    assert apart(compiled(**inputs).logits, model(**inputs).logits) <= 1e-5
