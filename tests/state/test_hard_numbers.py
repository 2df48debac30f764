"""Precisions, sizes and values at the edge: half precision, odd and few tokens, zero keys, NaN."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from cases import CLASSIFIERS, LAYERS, SMALL_VIDEO, SMALL_VIT, Case, Inputs, each_classifier, layers_of, tower_of
from comparison import assert_same, tensors_of
from gradients import loss_of
from layouts import each_layout
from torch import Tensor, nn

from hf_tome import apply_tome, trace_tome


def counts_of(model: nn.Module, inputs: Inputs) -> tuple[list[int], list[Tensor]]:
    with torch.no_grad(), trace_tome(model) as trace:
        output = model(**inputs)
    n = trace.token_counts[0]
    assert (trace.sizes.sum(1) == n).all()
    return trace.token_counts, tensors_of(output)


@pytest.mark.parametrize(
    ("dtype", "late"),
    [(torch.float16, False), (torch.bfloat16, True), (torch.float64, False)],
    ids=["float16-before-apply", "bfloat16-after-apply", "float64-before-apply"],
)
@each_layout
def test_other_precisions(case: Case, dtype: torch.dtype, late: bool) -> None:
    model = apply_tome(case.build(), r=4).to(dtype) if late else apply_tome(case.build().to(dtype), r=4)
    counts, output = counts_of(model, case.inputs(dtype=dtype))
    assert counts == [case.tokens - 4 * layer for layer in range(LAYERS + 1)]
    plain = tensors_of(case.build().to(dtype)(**case.inputs(dtype=dtype)))
    assert [tensor.dtype for tensor in output] == [tensor.dtype for tensor in plain]
    assert all(tensor.isfinite().all() for tensor in output)


@each_layout
def test_half_precision_does_not_overflow(case: Case) -> None:
    """Features near the largest float16, and groups of many: a sum before the division would be infinite."""
    model = apply_tome(case.build().half(), r=1000)
    tower_of(model, case).embeddings.register_forward_hook(lambda module, args, out: torch.full_like(out, 3e4))  # pyright: ignore
    with trace_tome(model) as trace, torch.no_grad():
        model(**case.inputs(dtype=torch.float16))
    features = torch.full((2, case.tokens, 4), 6e4, dtype=torch.float16)
    sizes = torch.ones(2, case.tokens)
    for plan in trace.last.plans:
        assert plan is not None
        sizes, shares = plan.share(sizes)
        features = plan.merge(features, shares)
        assert features.isfinite().all()


@each_layout
def test_autocast(case: Case) -> None:
    model = apply_tome(case.build(), r=4)
    with torch.autocast("cpu", torch.bfloat16):
        counts, output = counts_of(model, case.inputs())
        loss = loss_of(model.train(), case, case.inputs())
    assert counts[-1] == case.tokens - 4 * LAYERS
    assert all(tensor.isfinite().all() for tensor in output)
    loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_classifier
@torch.no_grad()
def test_r_zero_is_exact_in_every_precision(case: Case, dtype: torch.dtype) -> None:
    inputs = case.inputs(dtype=dtype)
    assert_same(apply_tome(case.build().to(dtype), r=0)(**inputs), case.build().to(dtype)(**inputs))
    with torch.autocast("cpu", torch.bfloat16):
        assert_same(apply_tome(case.build(), r=0)(**case.inputs()), case.build()(**case.inputs()))


@each_layout
@torch.no_grad()
def test_a_sample_does_not_see_its_neighbours(case: Case) -> None:
    batch = 5
    model, inputs = apply_tome(case.build(), r=4), case.inputs(batch)
    output = model(**inputs)
    for tensor in tensors_of(output):
        assert tensor.ndim == 0 or len(tensor) == batch
    for index in range(batch):
        alone = model(**{name: tensor[index : index + 1] for name, tensor in inputs.items()})
        for one, all_of_them in zip(tensors_of(alone), tensors_of(output), strict=True):
            if one.ndim:
                torch.testing.assert_close(one[0], all_of_them[index], rtol=0, atol=1e-5)


SIZES = [
    (SMALL_VIT, {"image_size": 20}, (3, 20, 20)),
    (SMALL_VIT, {"image_size": [20, 24]}, (3, 20, 24)),
    (SMALL_VIDEO, {"num_frames": 2, "image_size": 12}, (2, 3, 12, 12)),
    (CLASSIFIERS[3], {"max_length": 29}, (29, 16)),
    (SMALL_VIT, {"image_size": 4}, (3, 4, 4)),  # one patch: nothing can merge
    (SMALL_VIDEO, {"num_frames": 2, "image_size": 4}, (2, 3, 4, 4)),
]


@pytest.mark.parametrize("r", [3, 0.99, 10**9], ids=str)
@pytest.mark.parametrize(("case", "settings", "shape"), SIZES, ids=lambda value: getattr(value, "name", str(value)))
def test_odd_and_tiny_numbers_of_tokens(case: Case, settings: dict[str, Any], shape: tuple[int, ...], r: Any) -> None:
    model = apply_tome(case.build(**settings), r=r)
    counts, output = counts_of(model, {case.family.pixels[0]: torch.randn(2, *shape)})
    for before, after in pairwise(counts):
        half = (before - case.family.protected) // 2
        assert before - after == min(half, r if isinstance(r, int) else int(r * (before - case.family.protected)))
    assert all(tensor.isfinite().all() for tensor in output)


@each_layout
def test_zero_keys(case: Case) -> None:
    model = case.build()
    for layer in layers_of(model, case):
        key = layer.get_submodule(case.family.key)
        for parameter in key.parameters():
            nn.init.zeros_(parameter)
    counts, output = counts_of(apply_tome(model, r=4).train(), case.inputs())
    assert counts[-1] == case.tokens - 4 * LAYERS
    assert all(tensor.isfinite().all() for tensor in output)
    loss_of(model, case, case.inputs()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@each_layout
def test_equal_tokens(case: Case) -> None:
    """A blank input: ties are taken in one order, in every run."""
    inputs = {name: torch.zeros_like(tensor) for name, tensor in case.inputs().items()}
    model = apply_tome(case.build(), r=4)
    with trace_tome(model) as trace:
        first, second = model(**inputs), model(**inputs)
    assert_same(first, second)
    assert torch.equal(trace[0].groups, trace[1].groups)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@each_layout
@torch.no_grad()
def test_nan_comes_out_as_nan_and_stays_in_its_sample(case: Case, value: float) -> None:
    model, inputs = apply_tome(case.build(), r=4), case.inputs(3)
    clean, name = tensors_of(model(**inputs)), case.family.pixels[0]
    inputs[name] = inputs[name].clone()
    inputs[name][1] = value
    with trace_tome(model) as trace:
        output = tensors_of(model(**inputs))
    assert trace.token_counts[-1] == case.tokens - 4 * LAYERS
    for ours, theirs in zip(output, clean, strict=True):
        if ours.ndim:
            assert ours[1].isnan().all()
            assert torch.equal(ours[0], theirs[0])
            assert torch.equal(ours[2], theirs[2])
        else:
            assert ours.isnan()  # the loss over the batch


@each_layout
def test_inference_mode(case: Case) -> None:
    model = apply_tome(case.build(), r=4)
    expected = model(**case.inputs())
    with torch.inference_mode():
        assert_same(model(**case.inputs()), expected)
    loss_of(model, case, case.inputs()).backward()


def test_the_meta_device() -> None:
    """Shapes without numbers, as for counting operations."""
    model = apply_tome(SMALL_VIT.build(), r=4).to("meta")
    inputs = {name: tensor.to("meta") for name, tensor in SMALL_VIT.inputs().items()}
    with trace_tome(model) as trace:
        model(**inputs)
    assert trace.token_counts[-1] == SMALL_VIT.tokens - 4 * LAYERS
