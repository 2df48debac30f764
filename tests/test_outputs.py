"""What comes out of a patched model: restored shapes and their meaning, attention maps, attention masks."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
import torch
from cases import (
    CASES,
    LAYERS,
    SMALL_VIDEO,
    SMALL_VIT,
    VIDEOMAE,
    VIT,
    Case,
    apart,
    assert_same,
    each_bare,
    each_case,
    each_classifier,
    tower_of,
)
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import output_capturing

from hf_tome import ToMeError, ToMeTypeError, ToMeValueError, UnsupportedAttentionError, apply_tome, trace_tome

each_masked = pytest.mark.parametrize(
    "case", [case for case in CASES if case.family.masked], ids=lambda case: case.name
)
each_implementation = pytest.mark.parametrize("implementation", ["sdpa", "eager"])


def shapes(values: Any) -> Any:
    if isinstance(values, tuple | list):
        return [shapes(value) for value in values]
    return values if values is None else tuple(values.shape)


def spread(short: Tensor, groups: Tensor) -> Tensor:
    """Each original token's row of the merged features."""
    return torch.stack([features[index] for features, index in zip(short, groups, strict=True)])


# Shapes and meaning


@pytest.mark.parametrize("return_dict", [True, False])
@each_case
@torch.no_grad()
def test_every_output_keeps_its_shape(case: Case, return_dict: bool) -> None:
    asked = {"output_hidden_states": True, "return_dict": return_dict}
    plain, merged = case.build()(**case.inputs(), **asked), apply_tome(case.build(), r=5)(**case.inputs(), **asked)
    assert type(merged) is type(plain)
    if return_dict:
        assert list(merged) == list(plain)
        merged, plain = merged.to_tuple(), plain.to_tuple()
    assert shapes(merged) == shapes(plain)


@each_case
@torch.no_grad()
def test_a_tuple_holds_what_the_dict_holds(case: Case) -> None:
    model = apply_tome(case.build(), r=5)
    as_dict = model(**case.inputs(), output_hidden_states=True)
    assert_same(model(**case.inputs(), output_hidden_states=True, return_dict=False), as_dict)


@each_bare
@torch.no_grad()
def test_restored_features_are_the_merged_ones_at_every_position(case: Case) -> None:
    full, short = apply_tome(case.build(), r=[5, 0, 3, 4]), apply_tome(case.build(), r=[5, 0, 3, 4], restore=False)
    with trace_tome(short) as trace:
        few = short(**case.inputs(), output_hidden_states=True)
    many = full(**case.inputs(), output_hidden_states=True)
    assert len(few.hidden_states) == len(many.hidden_states) == LAYERS + 1
    for layers in range(LAYERS + 1):
        groups = trace.last.groups_at(layers)
        assert few.hidden_states[layers].shape[1] == trace.token_counts[layers]
        assert torch.equal(many.hidden_states[layers], spread(few.hidden_states[layers], groups))
    assert torch.equal(many.last_hidden_state, spread(few.last_hidden_state, trace.groups))


@pytest.mark.skipif(
    not hasattr(output_capturing, "selected_hidden_states"), reason="this transformers takes no list of hidden states"
)
@pytest.mark.parametrize("wanted", [[0], [2, -1], 3, [-2]], ids=str)
@each_case
@torch.no_grad()
def test_selected_hidden_states(case: Case, wanted: int | list[int]) -> None:
    model, plain = apply_tome(case.build(), r=5), case.build()
    everything = model(**case.inputs(), output_hidden_states=True).hidden_states
    asked = {"output_hidden_states": wanted}
    some, theirs = (each(**case.inputs(), **asked).hidden_states for each in (model, plain))
    assert shapes(some) == shapes(theirs)
    chosen = {i % (LAYERS + 1) for i in ([wanted] if isinstance(wanted, int) else wanted)}
    for layer, hidden in enumerate(some):
        assert (hidden is not None) == (layer in chosen)
        assert hidden is None or torch.equal(hidden, everything[layer])
    as_tuple = model(**case.inputs(), **asked, return_dict=False)
    assert shapes(some) in shapes(as_tuple)


@each_case
@torch.no_grad()
def test_hidden_states_asked_for_in_the_config(case: Case) -> None:
    case_asked = apply_tome(case.build(output_hidden_states=True), r=5)
    given = apply_tome(case.build(), r=5)(**case.inputs(), output_hidden_states=True)
    assert_same(case_asked(**case.inputs()), given)


@torch.no_grad()
def test_mean_pooling_of_restored_tokens_is_the_size_weighted_mean() -> None:
    model, case = apply_tome(SMALL_VIDEO.build(), r=5), SMALL_VIDEO
    tower = apply_tome(tower_of(case.build(), case), r=5, restore=False)
    with trace_tome(tower) as trace:
        short = tower(**case.inputs()).last_hidden_state
    weights = trace.sizes / trace.sizes.sum(1, keepdim=True)
    pooled = (short * weights[..., None]).sum(1)
    expected = model.classifier(model.fc_norm(pooled))
    torch.testing.assert_close(model(**case.inputs()).logits, expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_interpolated_positions_and_their_grid() -> None:
    model, pixels = apply_tome(SMALL_VIT.build(), r=4), torch.randn(2, 3, 32, 40)
    with trace_tome(model) as trace:
        logits = model(pixels, interpolate_pos_encoding=True).logits
    assert logits.isfinite().all()
    assert trace.grid == (8, 10)
    assert trace.token_counts == [81, 77, 73, 69, 65]


# Attention


@each_case
@torch.no_grad()
def test_attention_maps_of_eager_attention(case: Case) -> None:
    model = apply_tome(case.build(implementation="eager"), r=5)
    with trace_tome(model) as trace:
        output = model(**case.inputs(), output_attentions=True)
    heads = model.config.num_attention_heads
    assert shapes(output.attentions) == [(2, heads, n, n) for n in trace.token_counts[:-1]]
    for attention in output.attentions:
        assert (attention.sum(-1) - 1).abs().max() < 1e-5
    as_tuple = model(**case.inputs(), output_attentions=True, return_dict=False)
    assert shapes(output.attentions) in shapes(as_tuple)


@each_case
@torch.no_grad()
def test_attention_maps_and_hidden_states_together(case: Case) -> None:
    asked = {"output_attentions": True, "output_hidden_states": True, "return_dict": False}
    plain = case.build(implementation="eager")
    model = apply_tome(case.build(implementation="eager"), r=0)
    assert_same(model(**case.inputs(), **asked), plain(**case.inputs(), **asked))
    merged = apply_tome(model, r=5)(**case.inputs(), **asked)
    hidden = [part for part in merged if isinstance(part, tuple) and len(part) == LAYERS + 1]
    assert shapes(hidden) == [[(2, case.tokens, 32)] * (LAYERS + 1)]


@torch.no_grad()
def test_proportional_attention_counts_a_merged_token_by_its_size() -> None:
    """exp(score + log size) / sum: where two maps come from the same features, their ratio is the size."""
    case = SMALL_VIT
    model = apply_tome(case.build(implementation="eager"), r=[8])
    with trace_tome(model) as trace:
        on = model(**case.inputs(), output_attentions=True).attentions[1]
    off = apply_tome(model, prop_attn=False)(**case.inputs(), output_attentions=True).attentions[1]
    expected = off * trace.sizes[:, None, None]
    expected = expected / expected.sum(-1, keepdim=True)
    torch.testing.assert_close(on, expected, rtol=0, atol=1e-6)


@each_case
@torch.no_grad()
def test_change_of_the_attention_implementation_is_followed_live(case: Case) -> None:
    model, inputs = apply_tome(case.build(), r=5), case.inputs()
    first = model(**inputs)
    model.set_attn_implementation("eager")
    eager = case.build()
    eager.set_attn_implementation("eager")
    asked = {"output_attentions": True}
    assert_same(model(**inputs, **asked), apply_tome(eager, r=5)(**inputs, **asked))
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")
    assert_same(model(**inputs), first)


@torch.no_grad()
def test_attention_without_a_bias_is_refused_live() -> None:
    model, inputs = apply_tome(SMALL_VIT.build(), r=4), SMALL_VIT.inputs()
    before = model(**inputs)
    model.set_attn_implementation("flex_attention")
    with pytest.raises(UnsupportedAttentionError, match="flex_attention") as caught:
        model(**inputs)
    assert "prop_attn=False" in str(caught.value)
    apply_tome(model, prop_attn=False)
    model.config._attn_implementation_internal = "flash_attention_2"  # as set_attn_implementation does with the package
    with pytest.raises(UnsupportedAttentionError, match="flash_attention_2"):
        model(**inputs)
    model.set_attn_implementation("sdpa")
    assert_same(apply_tome(model, prop_attn=True)(**inputs), before)


@torch.no_grad()
def test_padding_needs_a_bias_too() -> None:
    model = apply_tome(SMALL_VIT.build(), r=4, prop_attn=False)
    model.config._attn_implementation_internal = "flex_attention"
    with pytest.raises(UnsupportedAttentionError, match="flex_attention"):
        tower_of(model, SMALL_VIT)(**SMALL_VIT.inputs(), attention_mask=mask_for(SMALL_VIT))


@pytest.mark.slow  # flex attention on a CPU is compiled, 10 s
@pytest.mark.skipif(shutil.which("g++") is None, reason="flex attention on a CPU needs a C++ compiler")
@each_classifier
@torch.no_grad()
def test_flex_attention_works_without_proportional_attention(case: Case) -> None:
    model, inputs = apply_tome(case.build(), r=4, prop_attn=False), case.inputs()
    expected = model(**inputs).logits
    model.set_attn_implementation("flex_attention")
    torch.testing.assert_close(model(**inputs).logits, expected, rtol=0, atol=1e-5)


@each_classifier
@torch.no_grad()
def test_an_exported_program_merges_too(case: Case) -> None:
    """Transformers adds a mask of its own to a graph that is exported; merged layers have no use for it."""
    model, inputs = apply_tome(case.build(), r=4), case.inputs()
    program = torch.export.export(model, (), inputs)
    torch.testing.assert_close(program.module()(**inputs).logits, model(**inputs).logits, rtol=0, atol=1e-6)


# Attention masks: padding becomes tokens of size 0

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


@pytest.mark.parametrize("prop_attn", [True, False])
@each_implementation
@each_masked
@torch.no_grad()
def test_what_stands_in_padding_does_not_matter(case: Case, implementation: str, prop_attn: bool) -> None:
    odd = ((7, 9, 11), tuple(range(20, 34)))  # destinations too, and more than merge away
    model = apply_tome(case.build(implementation=implementation), r=3, prop_attn=prop_attn)
    for padded in (PADDED, odd):
        mask = mask_for(case, padded)
        clean, dirty = (real(run(model, case, mask, garbage), mask) for garbage in (0.0, 3.0))
        assert apart(clean, dirty) <= 1e-6
        assert apart(clean, real(model(**case.inputs()), mask)) > 1e-3  # the mask does something


@pytest.mark.parametrize("prop_attn", [True, False])
@each_implementation
@each_masked
@torch.no_grad()
def test_merging_padding_only_changes_nothing(case: Case, implementation: str, prop_attn: bool) -> None:
    mask = mask_for(case)
    plain = real(run(case.build(implementation=implementation), case, mask, 2.0), mask)
    for r in (0, [2], [0, 2]):
        model = apply_tome(case.build(implementation=implementation), r=r, prop_attn=prop_attn)
        with trace_tome(model) as trace:
            merged = real(run(model, case, mask, 2.0), mask)
        assert apart(merged, plain) <= 3e-6
        assert trace.sizes.sum(1).tolist() == mask.sum(1).tolist()
        assert trace.sizes.max() == 1  # no real token has merged


@each_masked
@torch.no_grad()
def test_all_kinds_of_masks_agree(case: Case) -> None:
    model, mask = apply_tome(case.build(), r=3), mask_for(case)
    first = run(model, case, mask)
    for kind in (torch.bool, torch.int32, torch.uint8, torch.float32, torch.float16):
        assert_same(run(model, case, mask.to(kind)), first)


@each_masked
@torch.no_grad()
def test_a_mask_of_ones_is_no_mask(case: Case) -> None:
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
@each_masked
@torch.no_grad()
def test_masks_in_half_precision(case: Case, dtype: torch.dtype) -> None:
    model, mask = apply_tome(case.build().to(dtype), r=3), mask_for(case)
    clean, dirty = (real(run(model, case, mask, garbage), mask) for garbage in (0.0, 3.0))
    assert apart(clean, dirty) == 0
    assert all(tensor.isfinite().all() for tensor in clean)


def test_gradients_with_padding_are_finite() -> None:
    model, mask = apply_tome(SMALL_VIT.build(), r=8), mask_for(SMALL_VIT, ((6, 4), tuple(range(5, 37))))
    run(model, SMALL_VIT, mask, 1.0, labels=torch.tensor([0, 1])).loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


N = SMALL_VIT.tokens
WRONG_MASKS = [
    (torch.ones(N), ToMeValueError),
    (torch.ones(2, N - 1), ToMeValueError),
    (torch.ones(2, VIT.patches), ToMeValueError),
    (torch.ones(3, N), ToMeValueError),
    (torch.ones(1, N), ToMeValueError),
    (torch.ones(2, 1, N, N), ToMeValueError),
    (torch.ones(2, N, N), ToMeValueError),
    (torch.ones(()), ToMeValueError),
    ([[1] * N] * 2, ToMeTypeError),
    (np.ones((2, N)), ToMeTypeError),
    ("ones", ToMeTypeError),
    (True, ToMeTypeError),
]


@pytest.mark.parametrize("r", [0, 4])
@pytest.mark.parametrize(
    ("mask", "error"), WRONG_MASKS, ids=lambda value: shapes(value) if torch.is_tensor(value) else ""
)
@torch.no_grad()
def test_wrong_masks_are_refused(mask: Any, error: type, r: int) -> None:
    model = apply_tome(SMALL_VIT.build(), r=r)
    before = model(**SMALL_VIT.inputs())
    for part in (model, tower_of(model, SMALL_VIT)):
        with pytest.raises(error) as caught:
            part(**SMALL_VIT.inputs(), attention_mask=mask)
        assert isinstance(caught.value, ToMeError)
        assert "(batch, tokens)" in str(caught.value)
    assert_same(model(**SMALL_VIT.inputs()), before)


@torch.no_grad()
def test_a_mask_for_a_model_that_takes_none_is_refused() -> None:
    """Transformers drops it silently there: then padding would count in the mean over all tokens."""
    for case in CASES:
        if case.family is VIDEOMAE:
            model = apply_tome(case.build(), r=3)
            with pytest.raises(ToMeValueError, match="VideoMAEModel"):
                model(**case.inputs(), attention_mask=torch.ones(2, case.tokens))
            assert_same(model(**case.inputs(), attention_mask=None), model(**case.inputs()))


@pytest.mark.parametrize("shape", [(), (3,), (3, 24), (2, 3, 24), (1, 2, 3, 24, 24)], ids=str)
@each_classifier
def test_a_wrong_input_fails_as_in_the_plain_model(case: Case, shape: tuple[int, ...]) -> None:
    name = case.family.pixels[0]
    for value in (torch.zeros(shape), None, "image"):
        with pytest.raises(Exception) as plain:  # noqa: PT011  # whatever transformers says
            case.build()(**{name: value})
        with pytest.raises(type(plain.value)) as patched:
            apply_tome(case.build(), r=3)(**{name: value})
        assert str(patched.value) == str(plain.value)
