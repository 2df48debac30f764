"""Merged models under tools that call, copy, move, compile or load them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from cases import SMALL_VIT
from comparison import apart
from torch import Tensor
from torch.func import functional_call, grad, vmap

from hf_tome import apply_tome, trace_tome


def test_functional_call_and_grad() -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    weights = dict(model.named_parameters())

    def loss(weights: Any) -> Tensor:
        return functional_call(model, weights, (), {**inputs, **SMALL_VIT.labels()}).loss

    found = grad(loss)(weights)
    model(**inputs, **SMALL_VIT.labels()).loss.backward()
    assert max(apart(found[name], weight.grad) for name, weight in weights.items() if weight.grad is not None) <= 1e-6


@torch.no_grad()
def test_vmap_over_samples() -> None:
    model, pixels = apply_tome(SMALL_VIT.build(implementation="eager"), r=4), SMALL_VIT.inputs(3)["pixel_values"]
    found = vmap(lambda sample: model(sample[None]).logits[0])(pixels)
    assert apart(found, model(pixels).logits) <= 1e-5


@pytest.mark.slow
def test_attributions_by_captum() -> None:
    attr = pytest.importorskip("captum.attr", reason="captum is not installed")
    model, pixels = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()["pixel_values"]
    found = attr.Saliency(lambda x: model(x).logits).attribute(pixels, target=1, abs=False)
    leaf = pixels.clone().requires_grad_()
    model(leaf).logits[:, 1].sum().backward()
    assert apart(found, leaf.grad) <= 1e-6
    assert attr.IntegratedGradients(lambda x: model(x).logits).attribute(pixels, target=1, n_steps=4).isfinite().all()


@pytest.mark.slow
@torch.no_grad()
def test_loaded_in_8_bits(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    from transformers import BitsAndBytesConfig

    apply_tome(SMALL_VIT.build(), r=4).save_pretrained(tmp_path)
    options = BitsAndBytesConfig(load_in_8bit=True)
    model = SMALL_VIT.head.from_pretrained(tmp_path, quantization_config=options, device_map="cpu")
    inputs = SMALL_VIT.inputs(dtype=model.dtype)
    plain = model(**inputs).logits
    apply_tome(model)
    with trace_tome(model) as trace:
        merged = model(**inputs).logits
    assert trace.token_counts == [37, 33, 29, 25, 21]
    exact = apply_tome(SMALL_VIT.build(), r=4)(**SMALL_VIT.inputs()).logits
    assert 1e-4 < apart(merged, exact) < 0.5 * exact.abs().max()
    assert apart(merged, plain) > 1e-3


@torch.no_grad()
def test_offloaded_to_the_disk(tmp_path: Path) -> None:
    accelerate = pytest.importorskip("accelerate")
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    expected = model(**inputs).logits
    accelerate.disk_offload(model, tmp_path, execution_device=torch.device("cpu"))
    with trace_tome(model) as trace:
        assert apart(model(**inputs).logits, expected) <= 1e-6
    assert trace.token_counts == [37, 33, 29, 25, 21]


@pytest.mark.slow
@pytest.mark.parametrize("offload", ["cpu_offload", "dispatch_model"])
@torch.no_grad()
def test_weights_that_accelerate_moves(offload: str) -> None:
    accelerate = pytest.importorskip("accelerate")
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    expected = model(**inputs).logits
    cpu = torch.device("cpu")
    if offload == "cpu_offload":
        accelerate.cpu_offload(model, execution_device=cpu)
    else:
        accelerate.dispatch_model(model, {"vit": cpu, "classifier": cpu}, force_hooks=True)
    with trace_tome(model) as trace:
        assert apart(model(**inputs).logits, expected) <= 1e-6
    assert trace.token_counts == [37, 33, 29, 25, 21]


@torch.no_grad()
def test_replicas_of_data_parallel() -> None:
    """`DataParallel` copies a model to each device by this method of its modules, and runs the copies in threads."""
    model, mask = apply_tome(SMALL_VIT.build(), r=4), torch.ones(2, SMALL_VIT.tokens)
    mask[0, 20:] = 0
    inputs = {**SMALL_VIT.inputs(), "attention_mask": mask, "output_hidden_states": True}
    expected = model(**inputs)
    copies = {part: part._replicate_for_data_parallel() for part in model.modules()}
    for part, replica in copies.items():
        for name, child in part._modules.items():
            replica._modules[name] = None if child is None else copies[child]
        for name, weight in part._parameters.items():
            setattr(replica, name, None if weight is None else weight * 1)  # what it was copied to
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: copies[model](**inputs), range(2)))
    assert max(apart(each, expected) for each in found) <= 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["default", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune"])
@torch.no_grad()
def test_modes_of_compile(mode: str) -> None:
    torch._dynamo.reset()
    model, inputs = apply_tome(SMALL_VIT.build(num_hidden_layers=2), r=4), SMALL_VIT.inputs()
    assert apart(torch.compile(model, mode=mode)(**inputs).logits, model(**inputs).logits) <= 1e-5
