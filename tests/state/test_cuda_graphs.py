"""Forwards as CUDA graphs. Without a GPU: what is refused, when it captures anew, and what goes in and out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import SMALL_VIT, Case, each_classifier
from comparison import apart, assert_same
from torch.utils._pytree import tree_leaves

from hf_tome import ToMeTypeError, ToMeValueError, UnsupportedModelError, apply_tome, cuda_graphs, graphed, remove_tome

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    forward = graphed(model)
    with pytest.raises(ToMeValueError, match="Got: gradients"):
        forward(**inputs)
    with torch.inference_mode():
        with pytest.raises(ToMeValueError, match="a model on cpu"):
            forward(**inputs)
        monkeypatch.setattr(cuda_graphs, "DEVICE", "cpu")
        with pytest.raises(ToMeTypeError, match="pixel_values on meta"):
            forward(pixel_values=inputs["pixel_values"].to("meta"))
        with pytest.raises(ToMeTypeError, match="pixel_values, a list"):
            forward(pixel_values=[inputs["pixel_values"]])
        model.train()
        with pytest.raises(ToMeValueError, match="training mode"):
            forward(**inputs)
    with pytest.raises(UnsupportedModelError, match="supported family"):
        graphed(torch.nn.Linear(2, 2))


class Recorded:
    """In place of a graph: it computes by a call what a graph replays, into the same outputs."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.run, self.outputs = run, run()

    def replay(self) -> None:
        for old, new in zip(tree_leaves(self.outputs), tree_leaves(self.run()), strict=True):
            old.copy_(new)


@pytest.fixture
def captures(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    found: list[Recorded] = []

    def capture(run: Callable[[], Any]) -> tuple[Recorded, Any]:
        found.append(Recorded(run))
        return found[-1], found[-1].outputs

    monkeypatch.setattr(cuda_graphs, "DEVICE", "cpu")
    monkeypatch.setattr(cuda_graphs, "capture", capture)
    return found


@torch.inference_mode()
def test_inputs_are_copied_in_and_outputs_out(captures: list[Recorded]) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    forward, outputs = graphed(model), []
    inputs = [SMALL_VIT.inputs(seed=seed) for seed in (1, 2)]
    for each in inputs:
        kept = [value.clone() for value in each.values()]
        outputs.append(forward(**each, output_hidden_states=True))
        assert_same(list(each.values()), kept)
    for each, found in zip(inputs, outputs, strict=True):  # the first ones too, after the second replay
        assert_same(found, model(**each, output_hidden_states=True))
    assert len(captures) == 1


@torch.no_grad()
def test_it_captures_again_where_the_graph_would_be_another(captures: list[Recorded]) -> None:
    model = apply_tome(SMALL_VIT.build(), r=4)
    forward, inputs = graphed(model), SMALL_VIT.inputs()

    def changes(change: Callable[[], Any], inputs: dict[str, Any] = inputs) -> bool:
        before = len(captures)
        change()
        for _ in range(2):
            assert_same(forward(**inputs), model(**inputs))
        assert len(captures) - before in (0, 1)
        return len(captures) > before

    def nothing() -> None: ...

    assert changes(nothing)
    assert not changes(nothing, SMALL_VIT.inputs(seed=5))
    assert changes(nothing, SMALL_VIT.inputs(batch=3))
    assert changes(nothing, {**inputs, "output_hidden_states": True})
    assert not changes(nothing)
    assert changes(lambda: apply_tome(model, r=6))
    assert changes(lambda: model.set_attn_implementation("eager"))
    assert changes(lambda: remove_tome(model))
    with torch.inference_mode():
        assert changes(nothing)
    with torch.autocast("cpu", torch.bfloat16):
        assert changes(nothing)


@ON_GPU
@each_classifier
@torch.inference_mode()
def test_replays_are_the_forward_on_a_gpu(case: Case) -> None:
    model = apply_tome(case.build(), r=4).cuda()
    forward = graphed(model)
    for r, batch, seed in ((4, 2, 1), (4, 2, 2), (4, 3, 3), (6, 2, 4), (4, 2, 5)):
        apply_tome(model, r=r)
        inputs = {name: value.cuda() for name, value in case.inputs(batch=batch, seed=seed).items()}
        assert apart(forward(**inputs).logits, model(**inputs).logits) <= 1e-5


@ON_GPU
@torch.inference_mode()
def test_a_forward_that_reads_a_number_is_refused_on_a_gpu() -> None:
    model = apply_tome(SMALL_VIT.build(), r=4).cuda()
    model.register_forward_pre_hook(lambda *_: model.classifier.bias.sum().item())
    with pytest.raises(UnsupportedModelError, match="CUDA graph"):
        graphed(model)(**{name: value.cuda() for name, value in SMALL_VIT.inputs().items()})
