"""Whole models with the kernels in the place of torch: on a GPU as they are, on a CPU by Triton's interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from cases import SMALL_VIDEO, SMALL_VIT, Case, layers_of
from comparison import apart, assert_same
from gradients import Gradients, assert_close, checkpoint, gradients
from torch import Tensor, fx, nn
from triton_kernels import DEVICE

from hf_tome import apply_tome, trace_tome
from hf_tome.core.ops import gpu

each_kind = pytest.mark.parametrize(
    "case", [pytest.param(SMALL_VIT, id="image"), pytest.param(SMALL_VIDEO, id="video", marks=pytest.mark.slow)]
)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Switch them on and off, whatever the device."""
    return lambda on: monkeypatch.setattr(gpu, "takes", lambda x: on and gpu.available())


def inputs_of(case: Case) -> dict[str, Tensor]:
    return {name: value.to(DEVICE) for name, value in case.inputs().items()}


@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
@torch.no_grad()
def test_outputs_and_groups_are_those_of_torch(case: Case, kernels: Callable[[bool], None]) -> None:
    model, inputs = apply_tome(case.build(num_hidden_layers=2), r=5).to(DEVICE), inputs_of(case)
    with trace_tome(model) as trace:
        kernels(False)
        expected = model(**inputs)
        kernels(True)
        found = model(**inputs)
    assert apart(found, expected) <= 1e-5
    assert torch.equal(trace[0].groups, trace[1].groups)
    assert torch.equal(trace[0].sizes, trace[1].sizes)


@torch.no_grad()
def test_a_changed_norm_is_called(kernels: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are computed by the launch that merges."""
    model, inputs, fused = apply_tome(SMALL_VIT.build(num_hidden_layers=3), r=4).to(DEVICE), inputs_of(SMALL_VIT), []
    launch = gpu.merge_norm
    monkeypatch.setattr(gpu, "merge_norm", lambda *args: fused.append(args) or launch(*args))
    layers: list[Any] = layers_of(model, SMALL_VIT)
    layers[0].layernorm_after.register_forward_hook(lambda module, args, output: output * 2)
    layers[1].layernorm_after = nn.Identity()
    kernels(False)
    expected = model(**inputs)
    assert fused == []
    kernels(True)
    assert apart(model(**inputs), expected) <= 1e-5
    assert len(fused) == len(layers) - 2


@torch.no_grad()
def test_padding(kernels: Callable[[bool], None]) -> None:
    model, mask = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=6).to(DEVICE), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0
    inputs = {**inputs_of(SMALL_VIT), "attention_mask": mask.to(DEVICE)}
    kernels(False)
    expected = model(**inputs)
    kernels(True)
    assert apart(model(**inputs), expected) <= 1e-5


def gradients_of(model: nn.Module, case: Case, compiled: Callable | None = None) -> Gradients:
    labels = {name: value.to(DEVICE) for name, value in case.labels().items()}
    runs = model if compiled is None else compiled
    return gradients(model, lambda: runs(**inputs_of(case), **labels).loss.backward())


@pytest.mark.slow
@each_kind
def test_gradients_with_checkpointing(case: Case, kernels: Callable[[bool], None]) -> None:
    model = apply_tome(case.build(num_hidden_layers=2), r=5).to(DEVICE).train()
    kernels(False)
    expected = gradients_of(model, case)
    kernels(True)
    checkpoint(model, use_reentrant=False)
    assert_close(gradients_of(model, case), expected, 1e-5)


@pytest.mark.slow
@torch.no_grad()
def test_compiled_in_one_graph_that_holds_the_kernels(kernels: Callable[[bool], None]) -> None:
    torch._dynamo.reset()
    kernels(True)
    model, inputs = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=5).to(DEVICE), inputs_of(SMALL_VIT)
    targets: list[str] = []

    def backend(graph: fx.GraphModule, examples: list[Tensor]) -> Callable:
        targets.extend(str(node.target) for node in graph.graph.nodes)
        return graph.forward

    found = torch.compile(model, fullgraph=True, backend=backend)(**inputs)
    assert (
        sum("hf_tome" in target for target in targets) == 2 * 2 + 1
    )  # decide and merge of each layer, and the way back
    assert_same(found, model(**inputs))


@pytest.mark.slow
@pytest.mark.parametrize("case", [SMALL_VIT, SMALL_VIDEO], ids=lambda case: case.name)
def test_gradients_when_compiled(case: Case, kernels: Callable[[bool], None]) -> None:
    torch._dynamo.reset()
    kernels(True)
    model = apply_tome(case.build(num_hidden_layers=2), r=5).to(DEVICE).train()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    assert_close(gradients_of(model, case, compiled), gradients_of(model, case), 1e-5)


@pytest.mark.skipif(DEVICE == "cpu", reason="needs a GPU")
@torch.inference_mode()
def test_in_a_cuda_graph() -> None:
    """No launch waits for the host: a capture would fail."""
    model, inputs = apply_tome(SMALL_VIT.build(), r=5).to(DEVICE), inputs_of(SMALL_VIT)
    expected = model(**inputs).logits.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        model(**inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = model(**inputs).logits
    graph.replay()
    assert_same(found, expected)
