"""Forwards as CUDA graphs: a GPU then runs all kernels of a forward in one go, without waiting for the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from hf_tome.api import module_of
from hf_tome.engine.attention import implementation_of
from hf_tome.engine.patch import site_of, towers_of
from hf_tome.errors import ToMeTypeError, ToMeValueError, UnsupportedModelError, complaint

DEVICE = "cuda"
PLAIN = bool | int | float | str | None
WARM_UPS = 3  # calls before a capture, since the first calls of a forward compile and allocate


@dataclass(frozen=True, eq=False)
class Captured:
    """A forward on inputs of certain shapes.

    Attributes:
        graph: reads `inputs`, and writes `outputs`.
        inputs: the tensors among the inputs, by name.
        outputs: what the model returned.
    """

    graph: torch.cuda.CUDAGraph
    inputs: dict[str, Tensor]
    outputs: Any


def graphed(model: Any) -> Callable[..., Any]:
    """A function that computes the forward of `model` by CUDA graphs: for small batches, where launches take the time.

    The model itself stays as it is. The first call with inputs of new shapes or dtypes runs the forward a few times and
    captures it; later calls copy their inputs in, replay the graph, and return copies of the outputs. A change of the
    merging or of the attention implementation drops all graphs. Each graph keeps memory for its activations.

    A graph reads the weights where they were at the capture. After the model is moved or cast, or gets other modules,
    call `graphed` again. Python code, such as hooks and `trace_tome`, runs at the capture and not in replays.

        forward = hf_tome.graphed(hf_tome.compile(model))
        with torch.inference_mode():
            logits = forward(pixel_values=images).logits

    Args:
        model: of a supported family, or a pipeline; patched or not, compiled or not.

    Returns:
        A function of the forward's keyword arguments: tensors on the model's GPU, bools, numbers, strings and None.

    Raises:
        ToMeTypeError: if `model` is neither a torch module nor a pipeline; by the function, for other arguments.
        UnsupportedModelError: if `model` holds no tower of a supported family; by the function, if its forward cannot
            be captured, as where it reads numbers from tensors.
        ToMeValueError: by the function, in training mode, with gradients, or without a GPU.
    """
    module = module_of(model)
    towers = [tower for tower, _ in towers_of(module)]
    graphs: dict[tuple[Any, ...], Captured] = {}
    merging: list[Any] = []  # by which the graphs were captured

    def forward(**inputs: Any) -> Any:
        _check(module, inputs)
        now = [(_settings_of(tower), implementation_of(tower.config)) for tower in towers]  # pyright: ignore
        if now != merging:
            graphs.clear()
            merging[:] = now
        key = key_of(inputs)
        if key not in graphs:
            tensors = {name: value.clone() for name, value in inputs.items() if isinstance(value, Tensor)}
            with torch.cuda.device_of(next(module.parameters())):  # a capture sees the current GPU alone
                graph, outputs = capture(lambda: module(**{**inputs, **tensors}))
            graphs[key] = Captured(graph, tensors, outputs)
        found = graphs[key]
        for name, tensor in found.inputs.items():
            tensor.copy_(inputs[name])
        found.graph.replay()
        return tree_map_only(Tensor, torch.clone, found.outputs)

    return forward


def capture(run: Callable[[], Any]) -> tuple[torch.cuda.CUDAGraph, Any]:
    """A call of `run` on the current device as a CUDA graph, and what it returned: each replay writes these tensors.

    Raises:
        UnsupportedModelError: if `run` does what a graph cannot hold.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            return graph, run()
    except RuntimeError as error:
        rule = "A CUDA graph holds a forward that launches kernels alone, and reads no number from a tensor."
        reason = str(error).strip().splitlines()[0]
        raise UnsupportedModelError(complaint(rule, reason, "Call the model itself.")) from error


def key_of(inputs: dict[str, Any]) -> tuple[Any, ...]:
    """All of the inputs, and of torch's modes, that a captured forward depends on, but the numbers in the tensors."""
    forms = frozenset(
        (name, value.shape, value.dtype) if isinstance(value, Tensor) else (name, type(value), value)
        for name, value in inputs.items()
    )
    autocast = torch.is_autocast_enabled(DEVICE) and torch.get_autocast_dtype(DEVICE)
    return forms, autocast, torch.is_inference_mode_enabled()


def _settings_of(tower: nn.Module) -> Any:
    site = site_of(tower)
    return None if site is None else site.settings


def _check(module: nn.Module, inputs: dict[str, Any]) -> None:
    if module.training or torch.is_grad_enabled():
        got = "training mode" if module.training else "gradients"
        cure = "Call model.eval() and use torch.inference_mode(), or call the model itself."
        raise ToMeValueError(complaint("A CUDA graph is captured for inference alone.", got, cure))
    device = next(module.parameters()).device
    if device.type != DEVICE:
        cure = 'Call model.to("cuda") on a machine with a GPU; on others, call the model itself.'
        raise ToMeValueError(complaint("A CUDA graph needs the model on a GPU.", f"a model on {device}", cure))
    for name, value in inputs.items():
        if isinstance(value, PLAIN) or (isinstance(value, Tensor) and value.device == device):
            continue
        rule = f"Inputs of a CUDA graph are tensors on {device}, bools, numbers, strings and None."
        got = f"{name} on {value.device}" if isinstance(value, Tensor) else f"{name}, a {type(value).__name__}"
        raise ToMeTypeError(complaint(rule, got, "Move it there, or call the model itself."))
