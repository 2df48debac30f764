"""Attention masks: padding becomes tokens of size 0."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from cases import CASES, SMALL_VIT, Case, tower_of
from comparison import apart, assert_same
from torch import Tensor, nn
from transformers import PreTrainedModel

from hf_tome import apply_tome, trace_tome

each_masked = pytest.mark.parametrize(
    "case", [case for case in CASES if case.family.masked], ids=lambda case: case.name
)
each_attention = pytest.mark.parametrize(
    ("implementation", "prop_attn"), [("sdpa", True), ("sdpa", False), ("eager", True), ("eager", False)]
)

PADDED = ((6, 4), (8, 10, 12, 14))  # positions of padding in each sample: sources of the matching, which merge first


def mask_for(case: Case, padded: tuple[tuple[int, ...], ...] = PADDED) -> Tensor:
    mask = torch.ones(len(padded), case.tokens, dtype=torch.int64)
    for row, positions in zip(mask, padded, strict=True):
        row[list(positions)] = 0
    return mask


def run(model: PreTrainedModel, case: Case, mask: Tensor, garbage: float = 0.0, **kwargs: Any) -> Any:
    """A forward with noise, `garbage` strong, in the padded positions of what the embeddings give."""
    noise = garbage * torch.randn(len(mask), case.tokens, 32, generator=torch.Generator().manual_seed(7))

    def replace(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return torch.where(mask.bool()[..., None], output, noise.to(output.dtype))

    handle = tower_of(model, case).embeddings.register_forward_hook(replace)  # pyright: ignore
    try:
        return model(**case.inputs(len(mask), dtype=model.dtype), attention_mask=mask, **kwargs)
    finally:
        handle.remove()


def real(output: Any, mask: Tensor) -> list[Tensor]:
    """What of an output belongs to tokens that are no padding."""
    if "logits" in output:
        return [output.logits]
    if "reconstruction" in output:
        patches = mask[:, -(output.reconstruction.shape[-1] ** 2) // 16 :].bool().reshape(len(mask), 1, 6, 6)
        return [output.reconstruction * patches.repeat_interleave(4, 2).repeat_interleave(4, 3)]
    return [output.last_hidden_state[mask.bool()], output.pooler_output]


@each_masked
@torch.no_grad()
def test_what_stands_in_padding_does_not_matter(case: Case) -> None:
    odd = ((7, 9, 11), tuple(range(20, 34)))  # destinations too, and more than merge away
    model = apply_tome(case.build(), r=3)
    for padded in (PADDED, odd):
        mask = mask_for(case, padded)
        clean, dirty = (real(run(model, case, mask, garbage), mask) for garbage in (0.0, 3.0))
        assert apart(clean, dirty) <= 1e-6
        assert apart(clean, real(model(**case.inputs()), mask)) > 1e-3  # the mask does something


@each_attention
@torch.no_grad()
def test_it_does_not_matter_to_any_attention(implementation: str, prop_attn: bool) -> None:
    case, mask = SMALL_VIT, mask_for(SMALL_VIT)
    model = apply_tome(case.build(implementation=implementation), r=3, prop_attn=prop_attn)
    clean, dirty = (run(model, case, mask, garbage).logits for garbage in (0.0, 3.0))
    assert apart(clean, dirty) <= 1e-6
    assert apart(clean, model(**case.inputs()).logits) > 1e-3


@each_attention
@torch.no_grad()
def test_merging_padding_only_changes_nothing(implementation: str, prop_attn: bool) -> None:
    case, mask = SMALL_VIT, mask_for(SMALL_VIT)
    plain = real(run(case.build(implementation=implementation), case, mask, 2.0), mask)
    for r in (0, [2], [0, 2]):
        model = apply_tome(case.build(implementation=implementation), r=r, prop_attn=prop_attn)
        with trace_tome(model) as trace:
            merged = real(run(model, case, mask, 2.0), mask)
        assert apart(merged, plain) <= 3e-6
        assert trace.sizes.sum(1).tolist() == mask.sum(1).tolist()
        assert trace.sizes.max() == 1  # no real token has merged


@torch.no_grad()
def test_all_kinds_of_masks_agree() -> None:
    case = SMALL_VIT
    model, mask = apply_tome(case.build(), r=3), mask_for(case)
    first = run(model, case, mask)
    for kind in (torch.bool, torch.int32, torch.uint8, torch.float32, torch.float16):
        assert_same(run(model, case, mask.to(kind)), first)


@torch.no_grad()
def test_a_mask_of_ones_is_no_mask() -> None:
    case = SMALL_VIT
    model, inputs = apply_tome(case.build(), r=5), case.inputs()
    ones = torch.ones(2, case.tokens)
    with trace_tome(model) as trace:
        assert apart(model(**inputs, attention_mask=ones), model(**inputs)) <= 1e-5
    assert torch.equal(trace[0].groups, trace[1].groups)
    assert_same(model(**inputs, attention_mask=None), model(**inputs))


@torch.no_grad()
def test_a_mask_in_its_place_among_the_positional_arguments() -> None:
    for case in CASES:
        if case.family.masked and case.head.__name__.endswith("Model"):
            model, mask = apply_tome(case.build(), r=3), mask_for(case)
            pixels = next(iter(case.inputs().values()))
            before = (None, None) if case.family.model_type in ("vit", "deit") else ()
            assert_same(model(pixels, *before, mask), model(pixels, attention_mask=mask))


@torch.no_grad()
def test_a_padded_sample_does_not_move_the_others() -> None:
    case = SMALL_VIT
    model, mask = apply_tome(case.build(), r=4), mask_for(case)
    other = mask.clone()
    other[1, 5:] = 0
    ours, theirs = model(**case.inputs(), attention_mask=mask), model(**case.inputs(), attention_mask=other)
    assert torch.equal(ours.logits[0], theirs.logits[0])
    assert not torch.equal(ours.logits[1], theirs.logits[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@torch.no_grad()
def test_masks_in_half_precision(dtype: torch.dtype) -> None:
    case = SMALL_VIT
    model, mask = apply_tome(case.build().to(dtype), r=3), mask_for(case)
    clean, dirty = (real(run(model, case, mask, garbage), mask) for garbage in (0.0, 3.0))
    assert apart(clean, dirty) == 0
    assert all(tensor.isfinite().all() for tensor in clean)


def test_gradients_with_padding_are_finite() -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=8), mask_for(SMALL_VIT, ((6, 4), tuple(range(5, 37))))
    run(model, SMALL_VIT, mask, 1.0, labels=torch.tensor([0, 1])).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
